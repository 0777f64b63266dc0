//! The operation that every caller of a runtime relies on besides those of the specification: new limits for a
//! container that runs, in the form of linux.resources.

use serde_json::{Value, json};

use crate::case::{Section, should};
use crate::stage::Stage;

pub(in crate::sections) fn section() -> Section {
    let cases = vec![
        should("memory", "A new memory limit holds.", |stage| {
            update(stage, &json!({"memory": {"limit": 67_108_864}}));
            let file =
                if stage.machine().is_pure_v2() { "memory.max" } else { "memory.limit_in_bytes" };
            assert_eq!(stage.cgroup_file(file), "67108864");
        }),
        should("pids", "A new limit of tasks holds.", |stage| {
            update(stage, &json!({"pids": {"limit": 55}}));
            assert_eq!(stage.cgroup_file("pids.max"), "55");
        }),
        should("cpu", "A new quota holds.", |stage| {
            update(stage, &json!({"cpu": {"quota": 40_000, "period": 100_000}}));
            let (file, value) = if stage.machine().is_pure_v2() {
                ("cpu.max", "40000 100000")
            } else {
                ("cpu.cfs_quota_us", "40000")
            };
            assert_eq!(stage.cgroup_file(file), value);
        }),
        should("others-kept", "What the new limits do not name stays.", |stage| {
            stage.set("/linux/resources", json!({"pids": {"limit": 44}}));
            update(stage, &json!({"memory": {"limit": 67_108_864}}));
            assert_eq!(stage.cgroup_file("pids.max"), "44");
        }),
        should(
            "check-before",
            "checkBeforeUpdate refuses a limit below what is in use.",
            |stage| {
                stage.background();
                let path = stage.file(
                    "limits",
                    &json!({"memory": {"limit": 4096, "checkBeforeUpdate": true}}).to_string(),
                );
                let id = stage.id.clone();
                assert_ne!(stage.call(&["update", "--resources", &path, &id]).code, 0);
                assert_eq!(stage.status(), "running");
            },
        )
        .since(1),
    ];
    Section::new("config-linux.md", "Update of resources", cases)
}

fn update(stage: &mut Stage, resources: &Value) {
    stage.background();
    let path = stage.file("limits", &resources.to_string());
    let id = stage.id.clone();
    stage.call(&["update", "--resources", &path, &id]).success();
}
