//! config-linux.md, "Offset for Time Namespace".

use serde_json::{Value, json};

use crate::case::{Case, Section, must};
use crate::machine::Need;
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let cases: Vec<Case> = vec![
        must("monotonic", "The monotonic clock has the given offset.", |stage| {
            let seen = offsets(stage, json!({"monotonic": {"secs": 172_800}}));
            assert!(seen.contains("monotonic 172800 0"), "{seen}");
        }),
        must("boottime", "The boot time clock has the given offset.", |stage| {
            let seen = offsets(stage, json!({"boottime": {"secs": 604_800}}));
            assert!(seen.contains("boottime 604800 0"), "{seen}");
        }),
        must("both", "Both clocks have theirs, to the nanosecond.", |stage| {
            let both = json!({"monotonic": {"secs": 5, "nanosecs": 17}, "boottime": {"secs": 6, "nanosecs": 18}});
            let seen = offsets(stage, both);
            assert!(seen.contains("monotonic 5 17") && seen.contains("boottime 6 18"), "{seen}");
        }),
        must("seen", "The process sees the shifted clock.", |stage| {
            stage.push("/linux/namespaces", json!({"type": "time"}));
            stage.set("/linux/timeOffsets", json!({"boottime": {"secs": 1_000_000_000}}));
            let uptime = stage.sh("cut -d. -f1 /proc/uptime");
            assert!(uptime.parse::<u64>().is_ok_and(|secs| secs > 1_000_000_000), "{uptime}");
        }),
        must("no-namespace", "Offsets without a time namespace make an error.", |stage| {
            stage.set("/linux/timeOffsets", json!({"monotonic": {"secs": 5}})).refused();
        }),
        must("unknown-clock", "A clock that has no offset makes an error.", |stage| {
            stage.push("/linux/namespaces", json!({"type": "time"}));
            stage.set("/linux/timeOffsets", json!({"realtime": {"secs": 5}})).refused();
        }),
        must(
            "below-zero",
            "An offset that would put a clock below zero makes an error.",
            |stage| {
                stage.push("/linux/namespaces", json!({"type": "time"}));
                stage
                    .set("/linux/timeOffsets", json!({"monotonic": {"secs": -1_000_000_000}}))
                    .refused();
            },
        ),
    ];
    let needs = |case: Case| case.since(1).needs(Need::Path("/proc/self/ns/time"));
    Section::new("config-linux.md", "Time offsets", cases.into_iter().map(needs).collect())
}

fn offsets(stage: &mut Stage, offsets: Value) -> String {
    stage.push("/linux/namespaces", json!({"type": "time"}));
    stage.set("/linux/timeOffsets", offsets);
    stage.look().text("/timens_offsets").to_owned()
}
