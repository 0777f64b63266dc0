//! config.md, "Root".

use std::fs;

use serde_json::json;

use crate::case::{Section, must};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let cases = vec![
        must("relative", "A relative path starts at the bundle.", |stage| {
            stage.set("/root/path", json!("rootfs"));
            assert_eq!(stage.sh("cat /marker"), "the root");
        }),
        must("absolute", "An absolute path is taken as it is.", |stage| {
            let path = stage.rootfs();
            stage.set("/root/path", json!(path));
            assert_eq!(stage.sh("cat /marker"), "the root");
        }),
        must("other-name", "The path need not be called rootfs.", |stage| {
            fs::rename(stage.rootfs(), stage.bundle().join("tree")).expect("rename the root");
            stage.set("/root/path", json!("tree"));
            assert_eq!(stage.sh("cat /marker"), "the root");
        }),
        must("missing-directory", "A path where no directory is makes an error.", |stage| {
            stage.set("/root/path", json!("nowhere")).refused();
        }),
        must("file", "A path where a file is makes an error.", |stage| {
            stage.set("/root/path", json!("rootfs/marker")).refused();
        }),
        must("required", "A config without a root is refused.", |stage| {
            stage.remove("/root").refused();
        }),
        must("path-required", "A root without a path is refused.", |stage| {
            stage.set("/root", json!({"readonly": false})).refused();
        }),
        must("readonly", "With readonly, nothing can be written to the root.", readonly),
        must("writable", "Without readonly, the root can be written.", |stage| {
            stage.sh("echo new >/var/file");
            let written = fs::read_to_string(stage.rootfs().join("var/file"));
            assert_eq!(written.expect("the file is in the root"), "new\n");
        }),
        must("readonly-mounts", "A read-only root leaves its mounts writable.", |stage| {
            stage.set("/root/readonly", json!(true)).mount("tmpfs", "tmpfs", "/var", &[]);
            assert_eq!(stage.sh("echo kept >/var/file; cat /var/file"), "kept");
        }),
        must("isolated", "What lies outside the root cannot be reached.", |stage| {
            let secret = stage.file("secret", "secret");
            let seen = stage.sh(&format!("cat {secret} /../..{secret} 2>&1; ls -di / /.."));
            assert!(!seen.contains("secret\n") && seen.contains("No such file"), "{seen}");
        }),
    ];
    Section::new("config.md", "Root", cases)
}

fn readonly(stage: &mut Stage) {
    stage.set("/root/readonly", json!(true));
    let said = stage.sh("touch /file 2>&1; rm /marker 2>&1; true");
    assert_eq!(said.matches("Read-only file system").count(), 2, "{said}");
    assert!(stage.rootfs().join("marker").exists(), "the marker is gone");
}
