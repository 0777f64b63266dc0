//! config.md, "POSIX process": resource limits.

use rustix::process::{Resource, getrlimit};
use serde_json::json;

use crate::case::{Case, Section, must};
use crate::stage::Stage;

/// A limit, and values for soft and hard. The machine may not allow as much: what its own hard limit is, is the most.
const LIMITS: [(&str, Resource, u64, u64); 16] = [
    ("RLIMIT_AS", Resource::As, 1 << 40, 1 << 41),
    ("RLIMIT_CORE", Resource::Core, 4096, 8192),
    ("RLIMIT_CPU", Resource::Cpu, 100, 200),
    ("RLIMIT_DATA", Resource::Data, 1 << 32, 1 << 33),
    ("RLIMIT_FSIZE", Resource::Fsize, 1 << 20, 1 << 21),
    ("RLIMIT_LOCKS", Resource::Locks, 50, 60),
    ("RLIMIT_MEMLOCK", Resource::Memlock, 32768, 65536),
    ("RLIMIT_MSGQUEUE", Resource::Msgqueue, 100_000, 200_000),
    ("RLIMIT_NICE", Resource::Nice, 10, 15),
    ("RLIMIT_NOFILE", Resource::Nofile, 777, 888),
    ("RLIMIT_NPROC", Resource::Nproc, 1000, 2000),
    ("RLIMIT_RSS", Resource::Rss, 1 << 30, 1 << 31),
    ("RLIMIT_RTPRIO", Resource::Rtprio, 5, 6),
    ("RLIMIT_RTTIME", Resource::Rttime, 1_000_000, 2_000_000),
    ("RLIMIT_SIGPENDING", Resource::Sigpending, 100, 200),
    ("RLIMIT_STACK", Resource::Stack, 1 << 22, 1 << 23),
];

pub(super) fn section() -> Section {
    let mut cases: Vec<Case> = LIMITS.map(limit).into();
    cases.extend([
        must("unknown", "A limit that the kernel does not have is refused.", |stage| {
            stage
                .set("/process/rlimits", json!([{"type": "RLIMIT_TEA", "soft": 1, "hard": 1}]))
                .refused();
        }),
        must("no-prefix", "A limit without its prefix is refused.", |stage| {
            stage
                .set("/process/rlimits", json!([{"type": "NOFILE", "soft": 1, "hard": 1}]))
                .refused();
        }),
        must("duplicate", "A limit that is listed twice is refused.", |stage| {
            let entry = json!({"type": "RLIMIT_CORE", "soft": 1, "hard": 1});
            stage.set("/process/rlimits", json!([entry, entry])).refused();
        }),
        must("soft-above-hard", "A soft limit above the hard one makes an error.", |stage| {
            stage
                .set("/process/rlimits", json!([{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]))
                .refused();
        }),
        must("several", "Several limits are all set.", |stage| {
            stage.set(
                "/process/rlimits",
                json!([
                    {"type": "RLIMIT_CORE", "soft": 1, "hard": 2},
                    {"type": "RLIMIT_NOFILE", "soft": 300, "hard": 400},
                ]),
            );
            let seen = stage.look();
            assert_eq!(seen.at("/rlimits/RLIMIT_CORE"), &json!([1, 2]));
            assert_eq!(seen.at("/rlimits/RLIMIT_NOFILE"), &json!([300, 400]));
        }),
        must("other-user", "Limits hold for a process of another user.", |stage| {
            stage.set("/process/user", json!({"uid": 1000, "gid": 1000}));
            stage.set(
                "/process/rlimits",
                json!([{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}]),
            );
            assert_eq!(stage.look().at("/rlimits/RLIMIT_NOFILE"), &json!([50, 60]));
        }),
    ]);
    Section::new("config.md", "Resource limits", cases)
}

fn limit((name, kind, soft, hard): (&'static str, Resource, u64, u64)) -> Case {
    must(name, format!("{name} has the soft and the hard value."), move |stage: &mut Stage| {
        let most = getrlimit(kind).maximum.unwrap_or(u64::MAX);
        let (soft, hard) = (soft.min(most), hard.min(most));
        stage.set("/process/rlimits", json!([{"type": name, "soft": soft, "hard": hard}]));
        assert_eq!(stage.look().at(&format!("/rlimits/{name}")), &json!([soft, hard]));
    })
}
