//! config-linux.md, "Devices".

use std::fs;

use serde_json::{Value, json};

use crate::case::{Case, Section, must};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let mut cases = nodes();
    cases.extend(refusals());
    Section::new("config-linux.md", "Devices", cases)
}

fn nodes() -> Vec<Case> {
    vec![
        must(
            "character",
            "A character device is there, with its numbers.",
            move |stage: &mut Stage| {
                let fuse = json!({"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229});
                assert_eq!(made(stage, fuse, "%F %t:%T"), "character special file a:e5");
            },
        ),
        must("unbuffered", "Type u is a character device, too.", |stage| {
            let device = json!({"path": "/dev/it", "type": "u", "major": 10, "minor": 229});
            assert_eq!(made(stage, device, "%F %t:%T"), "character special file a:e5");
        }),
        must("block", "A block device is there, with its numbers.", |stage| {
            let device = json!({"path": "/dev/it", "type": "b", "major": 7, "minor": 33});
            assert_eq!(made(stage, device, "%F %t:%T"), "block special file 7:21");
        }),
        must("fifo", "A fifo needs no numbers.", |stage| {
            assert_eq!(made(stage, json!({"path": "/dev/it", "type": "p"}), "%F"), "fifo");
        }),
        must("mode", "fileMode is its mode, whatever the umask is.", |stage| {
            let device = json!({"path": "/dev/it", "type": "c", "major": 10, "minor": 229, "fileMode": 0o642});
            assert_eq!(made(stage, device, "%a"), "642");
        }),
        must("owner", "uid and gid are its owners.", |stage| {
            let device = json!({"path": "/dev/it", "type": "c", "major": 10, "minor": 229, "uid": 12, "gid": 34});
            assert_eq!(made(stage, device, "%u:%g"), "12:34");
        }),
        must("deep", "The folders on the way to a device are made.", |stage| {
            let device = json!({"path": "/dev/a/b/it", "type": "c", "major": 10, "minor": 200});
            assert_eq!(made(stage, device, "%t:%T"), "a:c8");
        }),
        must("outside-dev", "A device may lie outside of /dev.", |stage| {
            let device = json!({"path": "/var/it", "type": "c", "major": 10, "minor": 200});
            assert_eq!(made(stage, device, "%t:%T"), "a:c8");
        }),
        must("usable", "A listed device that its rule allows can be used.", |stage| {
            let rule = json!([{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "w"}]);
            stage.set("/linux/resources/devices", rule);
            stage.push(
                "/linux/devices",
                json!({"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}),
            );
            assert_eq!(stage.sh(": >/dev/kmsg && echo opened"), "opened");
        }),
    ]
}

fn refusals() -> Vec<Case> {
    vec![
        must("other-file", "Another file at the path of a device makes an error.", |stage| {
            fs::write(stage.rootfs().join("var/it"), "a file").expect("write a file");
            stage
                .push(
                    "/linux/devices",
                    json!({"path": "/var/it", "type": "c", "major": 10, "minor": 200}),
                )
                .refused();
        }),
        must("same-device", "The same device at its path is no error.", |stage| {
            let path = stage.rootfs().join("var/it");
            let numbers = rustix::fs::makedev(10, 229);
            let mode = rustix::fs::Mode::from_raw_mode(0o644);
            let made = rustix::fs::mknodat(
                rustix::fs::CWD,
                &path,
                rustix::fs::FileType::CharacterDevice,
                mode,
                numbers,
            );
            made.expect("make a device");
            let device = json!({"path": "/var/it", "type": "c", "major": 10, "minor": 229});
            stage.push("/linux/devices", device);
            assert_eq!(stage.sh("stat -c %t:%T /var/it"), "a:e5");
        }),
        must("unknown-type", "A type that does not exist is refused.", |stage| {
            stage
                .push(
                    "/linux/devices",
                    json!({"path": "/dev/it", "type": "x", "major": 1, "minor": 1}),
                )
                .refused();
        }),
        must("type-required", "A device without a type is refused.", |stage| {
            stage
                .push("/linux/devices", json!({"path": "/dev/it", "major": 1, "minor": 1}))
                .refused();
        }),
        must("path-required", "A device without a path is refused.", |stage| {
            stage.push("/linux/devices", json!({"type": "c", "major": 1, "minor": 1})).refused();
        }),
        must("numbers-required", "A device without numbers is refused.", |stage| {
            stage.push("/linux/devices", json!({"path": "/dev/it", "type": "c"})).refused();
        }),
    ]
}

/// What stat tells of a device that the config lists.
fn made(stage: &mut Stage, device: Value, format: &str) -> String {
    let path = device["path"].as_str().expect("a device has a path").to_owned();
    stage.push("/linux/devices", device);
    stage.sh(&format!("stat -c '{format}' {path}"))
}
