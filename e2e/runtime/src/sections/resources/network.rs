//! config-linux.md, "Network": classes and priorities, which cgroup v1 alone has.

use serde_json::json;

use super::limit;
use crate::case::{Section, must};
use crate::machine::Need;

pub(in crate::sections) fn section() -> Section {
    let cases = vec![
        limit(
            "class",
            "classID marks the packets of the cgroup.",
            || json!({"network": {"classID": 1_048_577}}),
            Some(("net_cls.classid", "1048577")),
            None,
        )
        .needs(Need::Controller("net_cls")),
        must("priorities", "A priority is set for its interface.", |stage| {
            let limits = json!({"network": {"priorities": [{"name": "lo", "priority": 5}]}});
            stage.set("/linux/resources", limits);
            stage.create();
            let shown = stage.cgroup_file("net_prio.ifpriomap");
            assert!(shown.lines().any(|line| line == "lo 5"), "{shown}");
        })
        .needs(Need::Controller("net_prio")),
    ];
    Section::new("config-linux.md", "Network", cases)
}
