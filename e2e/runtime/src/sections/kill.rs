//! runtime.md, "Kill".

use crate::case::{Case, Section, must, should};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let mut cases: Vec<Case> =
        ["TERM", "SIGTERM", "15", "USR1", "HUP", "WINCH"].map(delivered).into();
    cases.extend([
        must("KILL", "KILL ends the process, and the status becomes stopped.", |stage| {
            stage.background();
            stage.kill("KILL");
            stage.until_status("stopped");
        }),
        must("created", "A created container can be killed.", |stage| {
            stage.create();
            stage.kill("KILL");
            stage.until_status("stopped");
            assert!(!stage.rootfs().join("ran").exists(), "the process ran");
        }),
        must("stopped", "A signal to a stopped container makes an error.", |stage| {
            stage.args(&["true"]).create();
            stage.start();
            stage.until_status("stopped");
            let id = stage.id.clone();
            assert_ne!(stage.call(&["kill", &id, "TERM"]).code, 0);
            assert_eq!(stage.status(), "stopped");
        }),
        must("unknown", "A signal to a container that does not exist makes an error.", |stage| {
            assert_ne!(stage.call(&["kill", "no-such-container", "KILL"]).code, 0);
        }),
        must("no-id", "kill without an id makes an error.", |stage| {
            assert_ne!(stage.call(&["kill"]).code, 0);
        }),
        must(
            "unknown-signal",
            "A signal that does not exist makes an error, and none is sent.",
            |stage| {
                stage.background();
                let id = stage.id.clone();
                assert_ne!(stage.call(&["kill", &id, "TEAPOT"]).code, 0);
                assert_eq!(stage.status(), "running");
            },
        ),
        should("default", "Without a signal, it is TERM.", |stage| {
            trap(stage, "TERM");
            let id = stage.id.clone();
            stage.call(&["kill", &id]).success();
            let out = stage.rootfs().join("var/out");
            Stage::until_file(&out, "caught");
        }),
        should("all", "With --all, every process of the container gets the signal.", |stage| {
            stage.without_namespace("pid");
            stage.script("sleep 1001 & sleep 1002 & echo ready >/var/out; wait").create();
            stage.start();
            let out = stage.rootfs().join("var/out");
            Stage::until_file(&out, "ready");
            let id = stage.id.clone();
            let procs = stage.cgroup("pids").join("cgroup.procs");
            stage.call(&["kill", "--all", &id, "KILL"]).success();
            stage.until_status("stopped");
            let left = || {
                let text = std::fs::read_to_string(&procs).unwrap_or_default();
                text.trim().is_empty().then_some(())
            };
            assert!(
                gantry_testkit::poll_for(crate::stage::DEADLINE, left).is_some(),
                "processes are left"
            );
        }),
    ]);
    Section::new("runtime.md", "Kill", cases)
}

/// A container that writes `caught` when it gets the signal.
fn trap(stage: &mut Stage, name: &str) {
    let script = format!(
        "trap 'echo caught >>/var/out' {name}; echo ready >/var/out; while :; do sleep 0.05; done"
    );
    stage.script(&script).create();
    stage.start();
    let out = stage.rootfs().join("var/out");
    Stage::until_file(&out, "ready");
}

fn delivered(word: &'static str) -> Case {
    must(word, format!("The signal {word} reaches the process."), move |stage: &mut Stage| {
        let name = if word == "15" { "TERM" } else { word.trim_start_matches("SIG") };
        trap(stage, name);
        stage.kill(word);
        let out = stage.rootfs().join("var/out");
        Stage::until_file(&out, "caught");
    })
}
