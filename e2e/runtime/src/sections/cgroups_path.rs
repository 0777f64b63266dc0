//! config-linux.md, "Cgroups Path" and "Cgroup ownership".

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;

use serde_json::json;

use crate::case::{Case, Section, must, should};
use crate::machine::Need;
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let mut cases = places();
    cases.extend(ends());
    cases.extend(ownership());
    Section::new("config-linux.md", "Cgroups path", cases)
}

fn places() -> Vec<Case> {
    vec![
        must("absolute", "An absolute path starts at the mount point of the cgroups.", |stage| {
            stage.background();
            assert_eq!(stage.cgroup("pids"), stage.configured_cgroup("pids"));
        }),
        must(
            "every-controller",
            "The container is at that place in every hierarchy that limits it.",
            |stage| {
                stage.background();
                for controller in ["memory", "cpu", "pids", "cpuset", "devices"] {
                    assert_eq!(
                        stage.cgroup(controller),
                        stage.configured_cgroup(controller),
                        "{controller}"
                    );
                }
            },
        ),
        must("consistent", "The same path leads to the same place, time after time.", |stage| {
            stage.background();
            let first = stage.cgroup("pids");
            stage.kill("KILL");
            stage.until_status("stopped");
            stage.delete();
            stage.background();
            assert_eq!(stage.cgroup("pids"), first);
        }),
        must("parents-made", "Cgroups on the way are made when they are missing.", |stage| {
            let path = format!("/gantry-conformance/{}/a/b", stage.id);
            stage.set("/linux/cgroupsPath", json!(path));
            stage.background();
            assert!(stage.cgroup("pids").ends_with("a/b"));
        }),
        must("relative", "A relative path works, and leads to one place only.", |stage| {
            let path = format!("gantry-conformance/{}", stage.id);
            stage.set("/linux/cgroupsPath", json!(path));
            stage.background();
            let id = stage.id.clone();
            assert!(stage.cgroup("pids").ends_with(id), "{}", stage.cgroup("pids").display());
        }),
        must(
            "default",
            "Without a path, the runtime chooses one of the container's own.",
            |stage| {
                stage.remove("/linux/cgroupsPath");
                stage.background();
                let own = fs::read_to_string("/proc/self/cgroup").expect("read our own");
                let pid = stage.pid();
                let seen = fs::read_to_string(format!("/proc/{pid}/cgroup"))
                    .expect("read the container's");
                assert_ne!(line_of(&seen, "pids"), line_of(&own, "pids"));
                let path = stage.cgroup("pids");
                stage.kill("KILL");
                stage.until_status("stopped");
                stage.delete();
                assert!(!path.exists(), "{} is left", path.display());
            },
        ),
    ]
}

fn ends() -> Vec<Case> {
    vec![
        must("removed", "Deleting the container removes its cgroups.", |stage| {
            stage.background();
            let paths: Vec<PathBuf> =
                ["memory", "cpu", "pids"].map(|name| stage.cgroup(name)).into();
            stage.kill("KILL");
            stage.until_status("stopped");
            stage.delete();
            for path in paths {
                assert!(!path.exists(), "{} is left", path.display());
            }
        }),
        must(
            "others-stay",
            "Cgroups that the container did not make stay when it is deleted.",
            |stage| {
                let parent =
                    stage.machine().hierarchy("pids").join("gantry-conformance").join(&stage.id);
                fs::create_dir_all(parent.join("foreign")).expect("make a cgroup");
                stage.set(
                    "/linux/cgroupsPath",
                    json!(format!("/gantry-conformance/{}/mine", stage.id)),
                );
                stage.background();
                stage.kill("KILL");
                stage.until_status("stopped");
                stage.delete();
                assert!(parent.join("foreign").exists(), "a foreign cgroup is gone");
            },
        ),
        must("escaping", "Dots in the path do not lead out of the cgroups.", |stage| {
            stage.set(
                "/linux/cgroupsPath",
                json!(format!("/../../../gantry-conformance/{}", stage.id)),
            );
            // Refusing it is as good.
            if stage.args(&["sleep", "1000"]).create_outcome().code == 0 {
                stage.cgroup("pids");
            }
        }),
        must("exec-joins", "A process of exec is in the container's cgroup.", |stage| {
            stage.background();
            let inside = stage.exec(&["cat", "/proc/self/cgroup"]);
            let first = stage.exec(&["cat", "/proc/1/cgroup"]);
            assert_eq!(inside, first);
        }),
    ]
}

fn ownership() -> Vec<Case> {
    vec![
        should("ownership-v1", "With cgroup v1, the owner of the cgroup stays.", |stage| {
            delegated(stage, &["rw"]);
            stage.background();
            assert_eq!(fs::metadata(stage.cgroup("pids")).expect("stat it").uid(), 0);
        })
        .needs(Need::CgroupV1),
        should(
            "ownership-v2",
            "With a writable mount of cgroup v2 and new namespaces, the cgroup is the user's.",
            |stage| {
                delegated(stage, &["rw"]);
                stage.background();
                let path = stage.cgroup("pids");
                let owner = |name: &str| fs::metadata(path.join(name)).expect("stat it").uid();
                for name in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
                    assert_eq!(owner(name), 100_000, "{name}");
                }
                for name in ["memory.max", "pids.max"] {
                    assert_eq!(owner(name), 0, "{name}");
                }
            },
        )
        .since(1)
        .needs(Need::CgroupV2),
        should(
            "ownership-read-only",
            "With a read-only mount, the owner of the cgroup stays.",
            |stage| {
                delegated(stage, &["ro"]);
                stage.background();
                assert_eq!(fs::metadata(stage.cgroup("pids")).expect("stat it").uid(), 0);
            },
        ),
    ]
}

/// A user namespace, and the cgroups mounted with these options.
fn delegated(stage: &mut Stage, options: &[&str]) {
    for name in ["", "dev", "proc", "sys", "tmp"] {
        chown(stage.rootfs().join(name), Some(100_000), Some(100_000)).expect("give it away");
    }
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    stage.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    stage.push("/linux/namespaces", json!({"type": "user"}));
    stage.mount("cgroup", "cgroup", "/sys/fs/cgroup", options);
}

fn line_of(text: &str, controller: &str) -> String {
    let own = text.lines().find(|line| line.contains(&format!(":{controller}:")));
    own.or_else(|| text.lines().find(|line| line.starts_with("0::"))).unwrap_or_default().to_owned()
}
