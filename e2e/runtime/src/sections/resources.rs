//! config-linux.md, "Control groups": the limits, one file per controller. What they share: a table of values.

pub(super) mod block_io;
pub(super) mod cpu;
pub(super) mod hugetlb;
pub(super) mod memory;
pub(super) mod network;
pub(super) mod pids;
pub(super) mod rdma;
pub(super) mod unified;
pub(super) mod update;

use serde_json::Value;

use crate::case::{Case, must};
use crate::machine::Need;
use crate::stage::Stage;

/// A file of a cgroup and what it must hold; none where a version of cgroups has nothing for the field.
type Expected = Option<(&'static str, &'static str)>;

/// A case that gives resources and looks at files of the cgroup.
fn limit(
    id: &'static str,
    rule: &'static str,
    resources: fn() -> Value,
    v1: Expected,
    v2: Expected,
) -> Case {
    let check = move |stage: &mut Stage| {
        let expected = if stage.machine().is_pure_v2() { v2 } else { v1 };
        let (name, value) = expected.expect("the case is skipped elsewhere");
        stage.set("/linux/resources", resources());
        stage.create();
        assert_eq!(stage.cgroup_file(name), value, "{name}");
    };
    let mut case = must(id, rule, check);
    match (v1, v2) {
        (Some((name, _)), None) => case = case.needs(Need::CgroupV1).needs(Need::CgroupFile(name)),
        (None, Some(_)) => case = case.needs(Need::CgroupV2),
        _ => {}
    }
    case
}
