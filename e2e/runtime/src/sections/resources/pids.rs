//! config-linux.md, "PIDs".

use serde_json::json;

use super::limit;
use crate::case::{Section, must};

pub(in crate::sections) fn section() -> Section {
    let cases = vec![
        limit(
            "limit",
            "limit is the most tasks.",
            || json!({"pids": {"limit": 77}}),
            Some(("pids.max", "77")),
            Some(("pids.max", "77")),
        ),
        limit(
            "unlimited",
            "A limit of -1 is none.",
            || json!({"pids": {"limit": -1}}),
            Some(("pids.max", "max")),
            Some(("pids.max", "max")),
        ),
        must("enforced", "A fork above the limit fails.", |stage| {
            stage.set("/linux/resources", json!({"pids": {"limit": 5}}));
            let outcome = stage.script("for n in 1 2 3 4 5 6 7 8; do sleep 5 & done; true").run();
            assert!(outcome.stderr.contains("can't fork"), "{outcome}");
        }),
        must("limit-zero", "A limit of 0 is a limit: no further task can be made.", |stage| {
            stage.set("/linux/resources", json!({"pids": {"limit": 0}}));
            stage.args(&["sleep", "1000"]).create();
            assert_eq!(stage.cgroup_file("pids.max"), "0");
        })
        .since(3),
        must("none", "Without a limit there is none.", |stage| {
            stage.create();
            assert_eq!(stage.cgroup_file("pids.max"), "max");
        }),
    ];
    Section::new("config-linux.md", "PIDs", cases)
}
