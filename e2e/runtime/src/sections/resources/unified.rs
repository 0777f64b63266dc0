//! config-linux.md, "Unified": files of cgroup v2 by their names.

use serde_json::{Value, json};

use super::limit;
use crate::case::{Case, Section, must};
use crate::machine::Need;
use crate::stage::Stage;

pub(in crate::sections) fn section() -> Section {
    let mut cases = files();
    cases.extend(refusals());
    let cases = cases.into_iter().map(|case| case.since(1));
    Section::new("config-linux.md", "Unified", cases.collect())
}

fn unified(
    id: &'static str,
    rule: &'static str,
    values: fn() -> Value,
    shown: (&'static str, &'static str),
) -> Case {
    limit(id, rule, values, None, Some(shown))
}

fn refused(id: &'static str, rule: &'static str, values: fn() -> Value) -> Case {
    must(id, rule, move |stage: &mut Stage| {
        stage.set("/linux/resources", values()).refused();
    })
}

fn files() -> Vec<Case> {
    vec![
        unified(
            "memory",
            "A file of the memory controller is written.",
            || json!({"unified": {"memory.high": "50331648"}}),
            ("memory.high", "50331648"),
        ),
        unified(
            "pids",
            "A file of the pids controller is written.",
            || json!({"unified": {"pids.max": "99"}}),
            ("pids.max", "99"),
        ),
        unified(
            "cpu",
            "A file of the cpu controller is written.",
            || json!({"unified": {"cpu.weight": "42"}}),
            ("cpu.weight", "42"),
        ),
        unified(
            "core",
            "A file of the cgroup itself is written.",
            || json!({"unified": {"cgroup.max.descendants": "3"}}),
            ("cgroup.max.descendants", "3"),
        ),
        must("several", "Several files are all written.", |stage| {
            stage.set(
                "/linux/resources",
                json!({"unified": {"memory.low": "4096", "cpu.max": "20000 50000"}}),
            );
            stage.create();
            assert_eq!(stage.cgroup_file("memory.low"), "4096");
            assert_eq!(stage.cgroup_file("cpu.max"), "20000 50000");
        })
        .needs(Need::CgroupV2),
    ]
}

fn refusals() -> Vec<Case> {
    vec![
        refused(
            "unknown-controller",
            "A controller that is not there makes an error.",
            || json!({"unified": {"teapot.max": "1"}}),
        ),
        refused(
            "unknown-file",
            "A file that the controller does not have makes an error.",
            || json!({"unified": {"memory.teapot": "1"}}),
        ),
        refused(
            "bad-value",
            "A value that the kernel refuses makes an error.",
            || json!({"unified": {"memory.max": "much"}}),
        ),
        refused(
            "path",
            "A name that leads elsewhere is refused.",
            || json!({"unified": {"../memory.max": "1000000"}}),
        ),
    ]
}
