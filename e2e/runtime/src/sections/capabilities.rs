//! config.md, "Linux Process": capabilities and noNewPrivileges.

use serde_json::json;

use crate::case::{Case, Section, must};
use crate::stage::Stage;

/// capabilities(7), in the order of their numbers.
pub(super) const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

const KILL: u64 = 1 << 5;
const CHOWN: u64 = 1;
const RAW: u64 = 1 << 13;

pub(super) fn section() -> Section {
    let mut cases = sets();
    cases.extend(borders());
    Section::new("config.md", "Capabilities", cases)
}

fn sets() -> Vec<Case> {
    vec![
        must("bounding", "The bounding set is the listed one.", |stage| {
            given(stage, &["CAP_KILL", "CAP_CHOWN"], &["CAP_KILL"]);
            assert_eq!(stage.look().capabilities("CapBnd"), KILL | CHOWN);
        }),
        must("effective", "The effective set is the listed one.", |stage| {
            given(stage, &["CAP_KILL", "CAP_CHOWN"], &["CAP_KILL", "CAP_CHOWN"]);
            assert_eq!(stage.look().capabilities("CapEff"), KILL | CHOWN);
        }),
        must("permitted", "The permitted set is the listed one.", |stage| {
            given(stage, &["CAP_NET_RAW"], &["CAP_NET_RAW"]);
            assert_eq!(stage.look().capabilities("CapPrm"), RAW);
        }),
        must("inheritable-empty", "The inheritable set is empty when it is not listed.", |stage| {
            assert_eq!(stage.look().capabilities("CapInh"), 0);
        }),
        must("inheritable", "The inheritable set is the listed one.", |stage| {
            given(stage, &["CAP_KILL"], &["CAP_KILL"]);
            stage.set("/process/capabilities/inheritable", json!(["CAP_KILL"]));
            assert_eq!(stage.look().capabilities("CapInh"), KILL);
        }),
        must("ambient", "The ambient set is the listed one, and a plain user keeps it.", |stage| {
            given(stage, &["CAP_KILL"], &["CAP_KILL"]);
            stage.set("/process/capabilities/inheritable", json!(["CAP_KILL"]));
            stage.set("/process/capabilities/ambient", json!(["CAP_KILL"]));
            stage.set("/process/user", json!({"uid": 1000, "gid": 1000}));
            let seen = stage.look();
            assert_eq!(seen.capabilities("CapAmb"), KILL);
            assert_eq!(seen.capabilities("CapEff"), KILL);
        }),
        must("ambient-empty", "The ambient set is empty when it is not listed.", |stage| {
            assert_eq!(stage.look().capabilities("CapAmb"), 0);
        }),
        must("none", "Empty lists leave no capability at all.", |stage| {
            given(stage, &[], &[]);
            let seen = stage.look();
            for set in ["CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb"] {
                assert_eq!(seen.capabilities(set), 0, "{set}");
            }
        }),
        must("every-name", "Every name of capabilities(7) is known.", |stage| {
            let own = own_bounding_set();
            let names: Vec<&str> = (0..)
                .zip(NAMES)
                .filter(|(bit, _)| own >> bit & 1 == 1)
                .map(|(_, name)| name)
                .collect();
            given(stage, &names, &names);
            assert_eq!(stage.look().capabilities("CapBnd"), own & ((1 << NAMES.len()) - 1));
        }),
    ]
}

fn borders() -> Vec<Case> {
    vec![
        must(
            "unknown-warned",
            "A name that cannot be granted is a warning, not an error.",
            |stage| {
                given(stage, &["CAP_KILL", "CAP_OF_TOMORROW"], &["CAP_KILL"]);
                stage.script("true").run().success();
                assert!(stage.log().contains("CAP_OF_TOMORROW"), "no warning: {}", stage.log());
            },
        )
        .since(1),
        must(
            "plain-user",
            "A plain user's process has no capability without ambient ones.",
            |stage| {
                stage.set("/process/user", json!({"uid": 1000, "gid": 1000}));
                let seen = stage.look();
                assert_eq!(seen.capabilities("CapEff"), 0);
                assert_ne!(seen.capabilities("CapBnd"), 0, "the bounding set stays");
            },
        ),
        must("enforced", "What is not listed cannot be done.", |stage| {
            given(stage, &["CAP_KILL"], &["CAP_KILL"]);
            let said = stage.sh("chown 5 /marker 2>&1; true");
            assert!(said.contains("Operation not permitted"), "{said}");
        }),
        must("granted", "What is listed can be done.", |stage| {
            given(stage, &["CAP_CHOWN"], &["CAP_CHOWN"]);
            assert_eq!(stage.sh("chown 5 /marker; stat -c %u /marker"), "5");
        }),
        must("no-new-privileges", "noNewPrivileges is set when asked for.", |stage| {
            stage.set("/process/noNewPrivileges", json!(true));
            assert_eq!(stage.look().status("NoNewPrivs"), "1");
        }),
        must("new-privileges", "noNewPrivileges is not set when not asked for.", |stage| {
            assert_eq!(stage.look().status("NoNewPrivs"), "0");
        }),
    ]
}

fn given(stage: &mut Stage, bounding: &[&str], rest: &[&str]) {
    stage.set(
        "/process/capabilities",
        json!({"bounding": bounding, "effective": rest, "permitted": rest}),
    );
}

/// What the machine's root may hand on.
fn own_bounding_set() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    u64::from_str_radix(line.unwrap_or_default().trim(), 16).expect("a mask")
}
