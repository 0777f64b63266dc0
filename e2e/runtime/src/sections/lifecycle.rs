//! runtime.md, "Lifecycle" and "Errors".

use std::fs;

use serde_json::json;

use crate::case::{Section, must};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let cases = vec![
        must("whole", "A container goes from created to running to stopped to gone.", |stage| {
            stage.args(&["sleep", "1000"]).create();
            assert_eq!(stage.status(), "created");
            stage.start();
            assert_eq!(stage.status(), "running");
            stage.kill("KILL");
            stage.until_status("stopped");
            stage.delete();
            let id = stage.id.clone();
            assert_ne!(stage.call(&["state", &id]).code, 0);
        }),
        must(
            "config-read-once",
            "A config.json that is changed after create changes nothing.",
            |stage| {
                stage.script("echo old >/var/out").set("/hostname", json!("old")).create();
                stage.script("echo new >/var/out").set("/hostname", json!("new")).write_config();
                stage.start();
                let out = stage.rootfs().join("var/out");
                assert_eq!(Stage::until_file(&out, "\n"), "old\n");
            },
        ),
        must("config-gone", "A config.json that is removed after create is not missed.", |stage| {
            stage.script("echo old >/var/out").create();
            fs::remove_file(stage.bundle().join("config.json")).expect("remove the config");
            stage.start();
            let out = stage.rootfs().join("var/out");
            Stage::until_file(&out, "old");
            stage.until_status("stopped");
            stage.delete();
        }),
        must(
            "failed-create",
            "A create that fails leaves no container, no cgroup, no mount and no process.",
            failed_create,
        ),
        must("failed-then-again", "After a create that failed, the same id works.", |stage| {
            stage.args(&["/no/such/program"]).run();
            assert_eq!(stage.sh("echo ran"), "ran");
        }),
        must("run-cleans", "run leaves nothing when the process has ended.", |stage| {
            stage.sh("true");
            stage.assert_no_container();
            assert!(!stage.configured_cgroup("pids").exists(), "a cgroup is left");
        }),
        must(
            "many-processes",
            "When the first process ends, all others of its pid namespace end.",
            |stage| {
                stage.script("setsid sleep 1001 & setsid sleep 1002 & exec sleep 1003").create();
                stage.start();
                let cgroup = stage.cgroup("pids").join("cgroup.procs");
                Stage::until_file(&cgroup, "\n");
                stage.kill("KILL");
                stage.until_status("stopped");
                stage.delete();
                assert!(!stage.configured_cgroup("pids").exists(), "processes are left");
            },
        ),
    ];
    Section::new("runtime.md", "Lifecycle", cases)
}

fn failed_create(stage: &mut Stage) {
    // The last thing that can fail before the process is there.
    stage.set("/linux/sysctl", json!({"net.ipv4.ip_forward": "perhaps"}));
    stage.mount("tmpfs", "left-behind", "/t", &[]);
    assert_ne!(stage.create_outcome().code, 0);
    stage.assert_no_container();
    assert!(!stage.configured_cgroup("pids").exists(), "a cgroup is left");
    let table = fs::read_to_string("/proc/self/mountinfo").expect("read our mounts");
    assert!(!table.contains("left-behind"), "a mount is left");
    let state = stage.dir().join("state");
    let left = fs::read_dir(state).map_or(0, Iterator::count);
    assert_eq!(left, 0, "files are left in the runtime's own folder");
}
