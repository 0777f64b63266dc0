//! config-linux.md, "Allowed Device list": what the container's process may open and make.

use serde_json::{Value, json};

use crate::case::{Case, Section, must};
use crate::stage::Stage;

/// Opens the kernel's log, character device 1:11, through a node of one's own.
const WRITE: &str = "(: >/tmp/it) 2>&1";
const READ: &str = "(: </tmp/it) 2>&1";
const MAKE: &str = "mknod /tmp/made b 7 200 2>&1";

pub(super) fn section() -> Section {
    let mut cases = order_and_access();
    cases.extend(wildcards());
    cases.extend(borders());
    Section::new("config-linux.md", "Allowed device list", cases)
}

fn order_and_access() -> Vec<Case> {
    vec![
        must(
            "denied",
            "A device that the list denies cannot be opened.",
            move |stage: &mut Stage| {
                assert_denied(stage, json!([deny()]), WRITE);
            },
        ),
        must(
            "allowed",
            "A device that the list allows can be opened.",
            move |stage: &mut Stage| {
                assert_allowed(stage, json!([deny(), kmsg(true, "rw")]), WRITE);
            },
        ),
        must(
            "order",
            "Entries are applied in order: a later denial wins.",
            move |stage: &mut Stage| {
                assert_denied(stage, json!([kmsg(true, "rw"), deny()]), WRITE);
            },
        ),
        must(
            "order-specific",
            "A later denial of one device wins over all being allowed.",
            move |stage: &mut Stage| {
                let all = json!({"allow": true, "access": "rwm"});
                assert_denied(stage, json!([all, kmsg(false, "rw")]), WRITE);
            },
        ),
        must(
            "access-read",
            "The right to read is not the right to write.",
            move |stage: &mut Stage| {
                assert_denied(stage, json!([deny(), kmsg(true, "r")]), WRITE);
            },
        ),
        must(
            "access-write",
            "The right to write is not the right to read.",
            move |stage: &mut Stage| {
                assert_denied(stage, json!([deny(), kmsg(true, "w")]), READ);
            },
        ),
    ]
}

fn wildcards() -> Vec<Case> {
    vec![
        must(
            "any-minor",
            "Without a minor number, an entry is for all of them.",
            move |stage: &mut Stage| {
                let all = json!({"allow": true, "type": "c", "major": 1, "access": "rwm"});
                assert_allowed(stage, json!([deny(), all]), WRITE);
            },
        ),
        must("any-device", "Without a type, an entry is for all devices.", |stage| {
            assert_allowed(stage, json!([{"allow": true, "access": "rwm"}]), WRITE);
        }),
        must("type-all", "Type a is for all devices.", move |stage: &mut Stage| {
            let all = json!({"allow": true, "type": "a", "access": "rwm"});
            assert_allowed(stage, json!([deny(), all]), WRITE);
        }),
        must(
            "other-type",
            "A block device's entry is not for a character device.",
            move |stage: &mut Stage| {
                let block =
                    json!({"allow": true, "type": "b", "major": 1, "minor": 11, "access": "rwm"});
                assert_denied(stage, json!([deny(), block]), WRITE);
            },
        ),
        must(
            "make-allowed",
            "The right to make nodes lets the process make them.",
            move |stage: &mut Stage| {
                let make =
                    json!({"allow": true, "type": "b", "major": 7, "minor": 200, "access": "m"});
                assert_allowed(stage, json!([deny(), make]), MAKE);
            },
        ),
    ]
}

fn borders() -> Vec<Case> {
    vec![
        must(
            "defaults-work",
            "The default devices work under a list that denies all.",
            move |stage: &mut Stage| {
                stage.set("/linux/resources/devices", json!([deny()]));
                assert_eq!(stage.sh("echo x >/dev/null && head -c 2 /dev/zero | wc -c"), "2");
            },
        ),
        must("unknown-type", "A type that does not exist is refused.", |stage| {
            stage
                .set(
                    "/linux/resources/devices",
                    json!([{"allow": true, "type": "z", "access": "r"}]),
                )
                .refused();
        }),
        must("unknown-access", "A letter of access that does not exist is refused.", |stage| {
            stage
                .set(
                    "/linux/resources/devices",
                    json!([{"allow": true, "type": "c", "access": "rx"}]),
                )
                .refused();
        }),
        must("exec", "The list holds for processes of exec.", move |stage: &mut Stage| {
            stage.set("/linux/resources/devices", json!([deny()]));
            stage.background();
            let said = stage.exec(&["sh", "-c", &format!("mknod /tmp/it c 1 11; {WRITE}; true")]);
            assert!(said.contains("Operation not permitted"), "{said}");
        }),
    ]
}

fn deny() -> Value {
    json!({"allow": false, "access": "rwm"})
}

/// An entry for the kernel's log alone.
fn kmsg(allow: bool, access: &str) -> Value {
    json!({"allow": allow, "type": "c", "major": 1, "minor": 11, "access": access})
}

fn said(stage: &mut Stage, rules: Value, script: &str) -> String {
    stage.set("/linux/resources/devices", rules);
    // Made on the host: whether the process may make nodes is another question.
    let path = stage.rootfs().join("tmp/it");
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    let kind = rustix::fs::FileType::CharacterDevice;
    let made = rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, rustix::fs::makedev(1, 11));
    made.expect("make a node");
    stage.sh(&format!("{script} && echo done; true"))
}

fn assert_denied(stage: &mut Stage, rules: Value, script: &str) {
    let said = said(stage, rules, script);
    assert!(said.contains("Operation not permitted"), "{said}");
}

fn assert_allowed(stage: &mut Stage, rules: Value, script: &str) {
    let said = said(stage, rules, script);
    assert!(said.ends_with("done"), "{said}");
}
