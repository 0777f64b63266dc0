//! runtime.md, "State" and "Query State".

use serde_json::json;

use crate::case::{Section, must};

pub(super) fn section() -> Section {
    let cases = vec![
        must("version", "The state names the version of the specification.", |stage| {
            stage.create();
            let state = stage.state();
            assert!(
                state["ociVersion"].as_str().is_some_and(|version| version.starts_with("1.")),
                "{state}"
            );
        }),
        must("id", "The state names the container.", |stage| {
            stage.create();
            assert_eq!(stage.state()["id"], stage.id.as_str());
        }),
        must("bundle", "The state names the bundle by its absolute path.", |stage| {
            stage.write_config();
            let id = stage.id.clone();
            stage.call(&["create", "--bundle", ".", &id]).success();
            let state = stage.state();
            assert_eq!(state["bundle"], json!(stage.bundle()), "{state}");
        }),
        must("created", "A container that is created has the status created.", |stage| {
            stage.create();
            assert_eq!(stage.status(), "created");
        }),
        must("running", "A container that runs has the status running.", |stage| {
            stage.background();
            assert_eq!(stage.status(), "running");
        }),
        must("stopped", "A container whose process has ended has the status stopped.", |stage| {
            stage.args(&["true"]).create();
            stage.start();
            stage.until_status("stopped");
        }),
        must("pid-created", "A created container has a pid, as the host sees it.", |stage| {
            stage.create();
            let pid = stage.pid();
            assert!(std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid}");
        }),
        must("pid-running", "A running container's pid is that of its process.", |stage| {
            stage.background();
            let name = std::fs::read_to_string(format!("/proc/{}/comm", stage.pid()));
            assert_eq!(name.expect("read its name").trim(), "sleep");
        }),
        must("same-pid", "The pid stays the same from create to the end.", |stage| {
            stage.args(&["sleep", "1000"]).create();
            let before = stage.pid();
            stage.start();
            assert_eq!(stage.pid(), before);
        }),
        must("unknown", "Asking for a container that does not exist makes an error.", |stage| {
            assert_ne!(stage.call(&["state", "no-such-container"]).code, 0);
        }),
        must("no-id", "Asking without an id makes an error.", |stage| {
            assert_ne!(stage.call(&["state"]).code, 0);
        }),
    ];
    Section::new("runtime.md", "State", cases)
}
