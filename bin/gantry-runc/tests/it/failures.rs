//! Whatever step fails: a message that names it, and nothing left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::bed::{Bed, text};

#[track_caller]
fn check(change: impl FnOnce(&mut Bed), words: &str) {
    let mut bed = Bed::new();
    change(&mut bed);
    let message = bed.run_err();
    assert!(message.contains(words), "{message:?} does not say {words:?}");
    assert_eq!(message.lines().count(), 1, "{message}");
    bed.check_nothing_left();
}

fn set(pointer: &'static str, value: Value) -> impl FnOnce(&mut Bed) {
    move |bed| {
        bed.set(pointer, value);
    }
}

fn mount(value: Value) -> impl FnOnce(&mut Bed) {
    move |bed| {
        bed.push("/mounts", value);
    }
}

#[test]
fn programs_that_cannot_run_are_named_in_dockers_words() {
    let args = |args: Value| set("/process/args", args);
    check(args(json!(["nope"])), "exec: \"nope\": executable file not found in $PATH");
    check(args(json!(["/x"])), "exec: \"/x\": stat /x: no such file or directory");
    check(args(json!(["/bin"])), "exec: \"/bin\": is a directory");
    check(args(json!([])), "process.args must not be empty");
    check(
        |bed| {
            fs::write(bed.rootfs().join("plain"), "").unwrap();
            bed.set("/process/args", json!(["/plain"]));
        },
        "exec: \"/plain\": permission denied",
    );
    // Only the kernel finds these, at start.
    let program = |text: &'static str| {
        move |bed: &mut Bed| {
            let path = bed.rootfs().join("program");
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            bed.set("/process/args", json!(["/program"]));
        }
    };
    check(program("not a program"), "exec /program: exec format error");
    check(program("#!/no/interpreter\n"), "exec /program: no such file or directory");
}

#[test]
fn mounts_that_cannot_be_made_are_named() {
    let at = |kind: &str, source: &str, options: Value| {
        mount(json!({"destination": "/m", "type": kind, "source": source, "options": options}))
    };
    check(at("nofs", "", json!([])), "open the file system \"nofs\": no such device");
    check(at("bind", "/no/where", json!(["bind"])), "bind /no/where to /m: no such file");
    check(at("tmpfs", "x", json!(["size=many"])), "size");
    check(at("", "x", json!([])), "neither a type nor the option bind");
    check(
        mount(json!({"destination": "/bin/busybox", "type": "bind", "source": "/tmp",
            "options": ["bind"]})),
        "a directory can only be mounted on a directory",
    );
    check(
        mount(json!({"destination": "/", "type": "tmpfs", "source": "x"})),
        "destination cannot be the root",
    );
}

#[test]
fn impossible_documents_are_refused() {
    check(set("/root/path", json!("no-rootfs")), "no-rootfs: no such file or directory");
    check(set("/root/path", json!("rootfs/bin/busybox")), "not a directory");
    check(set("/linux/sysctl", json!({"kernel.panic": "1"})), "kernel.panic");
    check(set("/linux/sysctl", json!({"net.no.such": "1"})), "write sysctl net/no/such");
    check(set("/linux/namespaces", json!([{"type": "pid"}])), "mount namespace");
    check(set("/linux/cgroupsPath", json!("/a/../b")), "must not contain");
    check(set("/linux/resources", json!({"cpu": {"cpus": "777"}})), "777");
    check(set("/process/user", json!({"uid": 4_294_967_295_u32, "gid": 0})), "4294967295");
    check(set("/process/apparmorProfile", json!("x")), "AppArmor");
    check(set("/process/terminal", json!("yes")), "config.json");
    check(set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_MAGIC"})), "SCMP_ACT_MAGIC");
}

#[test]
fn a_missing_document_is_named() {
    let bed = Bed::new();
    let message = bed.err(&["run", &bed.id]);
    assert!(message.contains("config.json"), "{message}");
    bed.check_nothing_left();
}

#[test]
fn bad_ids_are_refused() {
    let bed = Bed::new();
    bed.write_config();
    for id in ["../x", "a b", "..", "é"] {
        let message = bed.err(&["run", id]);
        assert!(message.contains("invalid container id"), "{message}");
    }
    assert!(!bed.dir.path().join("x").exists());
}

#[test]
fn a_device_in_the_images_way_is_refused() {
    let mut bed = Bed::new();
    fs::create_dir(bed.rootfs().join("dev")).unwrap();
    fs::write(bed.rootfs().join("dev/null"), "a file").unwrap();
    bed.config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] == "proc");
    let message = bed.run_err();
    assert!(message.contains("something else in the place of the device null"), "{message}");
    bed.check_nothing_left();
}

#[test]
fn a_failure_takes_no_cgroup_away_that_was_there_before() {
    let mut bed = Bed::new();
    bed.set("/process/args", json!(["nope"]));
    let own = format!("/sys/fs/cgroup/pids{}/{}", bed.cgroup, bed.id);
    let strangers = Path::new(&own).join("stranger");
    fs::create_dir_all(&strangers).unwrap();
    bed.write_config();
    let output = bed.call(&["run", &bed.id]);
    let stays = strangers.exists();
    let left = bed.cgroup_dirs(&bed.id);
    fs::remove_dir(&strangers).unwrap();
    fs::remove_dir(&own).unwrap();
    assert!(text(&output.stderr).contains("executable file not found"), "{}", text(&output.stderr));
    assert!(stays, "somebody's cgroup is gone");
    assert_eq!(left, [Path::new(&own)]);
    bed.check_nothing_left();
}
