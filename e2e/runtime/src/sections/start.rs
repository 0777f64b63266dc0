//! runtime.md, "Start".

use crate::case::{Section, must};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let cases = vec![
        must("runs", "start runs the process.", |stage| {
            stage.script("echo here >/var/out").create();
            stage.start();
            let out = stage.rootfs().join("var/out");
            Stage::until_file(&out, "here");
        }),
        must("status", "After start, the status is running.", |stage| {
            stage.background();
            assert_eq!(stage.status(), "running");
        }),
        must("no-id", "start without an id makes an error.", |stage| {
            assert_ne!(stage.call(&["start"]).code, 0);
        }),
        must("unknown", "Starting a container that does not exist makes an error.", |stage| {
            assert_ne!(stage.call(&["start", "no-such-container"]).code, 0);
        }),
        must(
            "twice",
            "Starting a running container makes an error, and changes nothing.",
            |stage| {
                stage.background();
                let (id, pid) = (stage.id.clone(), stage.pid());
                assert_ne!(stage.call(&["start", &id]).code, 0);
                assert_eq!((stage.status().as_str(), stage.pid()), ("running", pid));
            },
        ),
        must(
            "stopped",
            "Starting a stopped container makes an error, and the process does not run again.",
            |stage| {
                stage.script("echo again >>/var/out").create();
                stage.start();
                stage.until_status("stopped");
                let id = stage.id.clone();
                assert_ne!(stage.call(&["start", &id]).code, 0);
                let text = std::fs::read_to_string(stage.rootfs().join("var/out"));
                assert_eq!(text.expect("it ran once"), "again\n");
            },
        ),
    ];
    Section::new("runtime.md", "Start", cases)
}
