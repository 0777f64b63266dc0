//! Labels of security modules that this machine does not run, and the resource director that it does not have: told, never ignored.

use std::path::Path;

use serde_json::json;

use crate::bed::{Bed, text};

fn check(pointer: &str, value: serde_json::Value, words: &str) {
    let mut bed = Bed::new();
    bed.set(pointer, value);
    let message = bed.run_err();
    assert!(message.contains(words), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    bed.check_nothing_left();
}

#[test]
fn a_label_without_its_module_is_refused() {
    if !Path::new("/sys/module/apparmor").exists() {
        let words = "AppArmor is disabled or not supported on this machine";
        check("/process/apparmorProfile", json!("docker-default"), words);
    }
    if !Path::new("/sys/fs/selinux/policy").exists() {
        let words = "SELinux is disabled or not supported on this machine";
        check("/process/selinuxLabel", json!("system_u:system_r:container_t:s0"), words);
        check("/linux/mountLabel", json!("system_u:object_r:container_file_t:s0"), words);
    }
}

#[test]
fn an_exec_has_labels_of_its_own_to_refuse() {
    let mut bed = Bed::new();
    bed.set("/process/apparmorProfile", json!("unconfined"));
    bed.script("exec sleep 1000").start();
    assert_eq!(bed.ok(&["exec", &bed.id, "echo", "hi"]), "hi\n");
    if !Path::new("/sys/module/apparmor").exists() {
        let output = bed.call(&["exec", "--apparmor", "strict", &bed.id, "true"]);
        assert!(text(&output.stderr).contains("AppArmor is disabled"), "{}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(255));
    }
}

#[test]
fn a_process_whose_document_says_nothing_has_the_containers_capabilities() {
    let mut bed = Bed::new();
    let own = json!(["CAP_CHOWN", "CAP_KILL"]);
    bed.set("/process/capabilities", json!({"bounding": own, "effective": own, "permitted": own}));
    bed.script("exec sleep 1000").start();
    let file = bed.dir.path().join("process.json");
    let exec = |process: serde_json::Value| {
        std::fs::write(&file, process.to_string()).unwrap();
        bed.ok(&["exec", "--process", file.to_str().unwrap(), &bed.id])
    };
    let grep = json!(["grep", "-E", "Cap(Prm|Eff|Bnd)", "/proc/self/status"]);
    let silent = json!({"args": grep, "cwd": "/", "env": ["PATH=/bin"], "user": {}});
    assert_eq!(exec(silent.clone()).matches("0000000000000021").count(), 3);
    let mut none = silent;
    none["capabilities"] = json!({});
    assert_eq!(exec(none).matches("0000000000000000").count(), 3);
}

#[test]
fn the_resource_director_is_needed_where_it_is_asked_for() {
    if !Path::new("/sys/fs/resctrl/schemata").exists() {
        check("/linux/intelRdt", json!({}), "no resctrl file system is mounted");
        check("/linux/intelRdt", json!({"closID": "a/b"}), "closID \"a/b\"");
    }
}

#[test]
fn only_documents_of_version_1_are_taken() {
    for (version, words) in [
        (json!("2.0.0"), "ociVersion \"2.0.0\" is not supported"),
        (json!("0.9.0"), "is not supported"),
        (json!(""), "ociVersion is missing"),
        (json!("latest"), "is not a version"),
    ] {
        check("/ociVersion", version, words);
    }
    let mut bed = Bed::new();
    bed.config["ociVersion"] = json!("1.99.7");
    bed.config["futureField"] = json!({"deep": [1, 2]});
    bed.set("/linux/futureField", json!(true)).set("/process/futureField", json!("x"));
    assert_eq!(bed.run(), "");
}
