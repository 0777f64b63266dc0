//! config-linux.md, "Masked Paths".

use std::fs;

use serde_json::json;

use crate::case::{Section, must, should};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let cases = vec![
        must("file", "A masked file cannot be read.", |stage| {
            assert_eq!(masked(stage, "/marker", "cat /marker; true"), "");
        }),
        must("directory", "A masked directory shows nothing.", |stage| {
            fs::write(stage.rootfs().join("var/secret"), "secret").expect("write a file");
            assert_eq!(masked(stage, "/var", "ls -A /var; cat /var/secret 2>/dev/null; true"), "");
        }),
        must("proc", "A masked file of /proc cannot be read.", |stage| {
            assert_eq!(masked(stage, "/proc/uptime", "cat /proc/uptime; true"), "");
        }),
        must("in-mount", "A masked path may lie in a mount.", |stage| {
            let source = stage.folder("source");
            fs::write(format!("{source}/secret"), "secret").expect("write a file");
            stage.bind(&source, "/m", &["bind"]);
            assert_eq!(masked(stage, "/m/secret", "cat /m/secret; true"), "");
        }),
        must("write", "Writing to a masked file leaves what is below as it is.", |stage| {
            masked(stage, "/marker", "echo changed >/marker; true");
            let text = fs::read_to_string(stage.rootfs().join("marker")).expect("read it");
            assert_eq!(text, "the root\n");
        }),
        must("directory-read-only", "Nothing can be put into a masked directory.", |stage| {
            let said = masked(stage, "/var", "touch /var/new 2>&1; true");
            assert!(said.contains("Read-only"), "{said}");
        }),
        must("several", "Several paths are all masked.", |stage| {
            stage.set("/linux/maskedPaths", json!(["/marker", "/etc/passwd", "/proc/version"]));
            assert_eq!(stage.sh("cat /marker /etc/passwd /proc/version"), "");
        }),
        should("missing", "A path that is not there is no error.", |stage| {
            assert_eq!(masked(stage, "/no/such/path", "echo ran"), "ran");
        }),
        must("relative", "A path that is not absolute is refused.", |stage| {
            stage.set("/linux/maskedPaths", json!(["marker"])).refused();
        }),
        must("exec", "Masked paths are masked for processes of exec.", |stage| {
            stage.set("/linux/maskedPaths", json!(["/marker"]));
            stage.background();
            assert_eq!(stage.exec(&["cat", "/marker"]), "");
        }),
    ];
    Section::new("config-linux.md", "Masked paths", cases)
}

fn masked(stage: &mut Stage, path: &str, script: &str) -> String {
    stage.set("/linux/maskedPaths", json!([path]));
    stage.sh(script)
}
