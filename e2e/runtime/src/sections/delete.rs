//! runtime.md, "Delete".

use std::fs;

use crate::case::{Case, Section, must, should};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let mut cases = operation();
    cases.extend(borders());
    Section::new("runtime.md", "Delete", cases)
}

fn operation() -> Vec<Case> {
    vec![
        must("gone", "A deleted container is no more.", |stage| {
            stopped(stage);
            stage.delete();
            let id = stage.id.clone();
            assert_ne!(stage.call(&["state", &id]).code, 0);
        }),
        must("cgroup-gone", "Its cgroups are gone.", |stage| {
            stopped(stage);
            stage.delete();
            for controller in ["pids", "memory", "cpu"] {
                assert!(!stage.configured_cgroup(controller).exists(), "{controller}");
            }
        }),
        must("state-gone", "The runtime keeps nothing of it.", |stage| {
            stopped(stage);
            stage.delete();
            let left = fs::read_dir(stage.dir().join("state")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "files are left");
        }),
        must("bundle-stays", "The bundle and what is in it stay.", |stage| {
            stage.script("echo kept >/var/kept").create();
            stage.start();
            stage.until_status("stopped");
            stage.delete();
            assert!(stage.bundle().join("config.json").exists());
            assert!(stage.rootfs().join("var/kept").exists());
        }),
        must("running", "Deleting a running container makes an error, and it runs on.", |stage| {
            stage.background();
            let id = stage.id.clone();
            assert_ne!(stage.call(&["delete", &id]).code, 0);
            assert_eq!(stage.status(), "running");
        }),
    ]
}

fn borders() -> Vec<Case> {
    vec![
        must("unknown", "Deleting a container that does not exist makes an error.", |stage| {
            assert_ne!(stage.call(&["delete", "no-such-container"]).code, 0);
        }),
        must("no-id", "delete without an id makes an error.", |stage| {
            assert_ne!(stage.call(&["delete"]).code, 0);
        }),
        must("twice", "Deleting twice makes an error the second time.", |stage| {
            stopped(stage);
            stage.delete();
            let id = stage.id.clone();
            assert_ne!(stage.call(&["delete", &id]).code, 0);
        }),
        must("id-again", "The id of a deleted container can be used again.", |stage| {
            stopped(stage);
            stage.delete();
            assert_eq!(stage.sh("echo again"), "again");
        }),
        should(
            "force-running",
            "With --force, a running container is ended and deleted.",
            |stage| {
                stage.background();
                let (id, pid) = (stage.id.clone(), stage.pid());
                stage.call(&["delete", "--force", &id]).success();
                assert_ne!(stage.call(&["state", &id]).code, 0);
                let path = format!("/proc/{pid}/stat");
                let ended = || {
                    fs::read_to_string(&path)
                        .map_or(true, |stat| stat.contains(") Z "))
                        .then_some(())
                };
                assert!(
                    gantry_testkit::poll_for(crate::stage::DEADLINE, ended).is_some(),
                    "it lives"
                );
            },
        ),
        should("force-created", "With --force, a created container is deleted.", |stage| {
            stage.create();
            let id = stage.id.clone();
            stage.call(&["delete", "--force", &id]).success();
            stage.assert_no_container();
        }),
    ]
}

fn stopped(stage: &mut Stage) {
    stage.args(&["true"]).create();
    stage.start();
    stage.until_status("stopped");
}
