//! Device nodes: one, a folder of them, and rights by number.

use std::fs;
use std::process::Command;

use crate::shared::{run, shared};

fn inside(flags: &[&str], script: &str) -> String {
    run(flags, &["sh", "-c", script]).success()
}

#[test]
fn rights_and_names() {
    let flags = ["--device", "/dev/null:/dev/mine:r"];
    assert_eq!(inside(&flags, "stat -c %t:%T /dev/mine"), "1:3");
    assert_eq!(inside(&flags, "head -c 1 /dev/mine | wc -c"), "0");
    // Null is every container's own; the one with other rights has another number.
    let full = ["--device", "/dev/kmsg:/dev/log-of-the-kernel:w"];
    run(&full, &["sh", "-c", "exec 3<>/dev/log-of-the-kernel"])
        .exits(1)
        .complains("Operation not permitted");
    assert_eq!(inside(&full, "exec 3>/dev/log-of-the-kernel && echo opened"), "opened");
    for (device, words) in [
        ("/dev/no-such-device", "/dev/no-such-device"),
        ("/etc/passwd", "not a device node"),
        ("/dev/null:/dev/x:rwx", "bad mode specified: rwx"),
    ] {
        run(&["--device", device], &["true"]).exits(125).plainly().complains(words);
    }
}

#[test]
fn a_folder_is_all_that_is_in_it() {
    let folder = shared().scratch("devices");
    fs::create_dir_all(folder.join("below")).unwrap();
    fs::write(folder.join("no-device"), "x").unwrap();
    for (name, minor) in [("one", "3"), ("below/two", "5")] {
        let path = folder.join(name);
        let made = Command::new("mknod").arg(&path).args(["c", "1", minor]).status().unwrap();
        assert!(made.success());
    }
    let device = format!("{}:/dev/all:rw", folder.display());
    let listed = inside(&["--device", &device], "cd /dev/all && find . -type c | sort");
    assert_eq!(listed, "./below/two\n./one");
    assert_eq!(inside(&["--device", &device], "stat -c %t:%T /dev/all/below/two"), "1:5");
}

#[test]
fn rights_by_number() {
    // A device that no container may open by itself.
    let script = "mknod /tmp/fuse c 10 229 && exec 3<>/tmp/fuse && echo opened";
    run(&[], &["sh", "-c", script]).exits(1).complains("Operation not permitted");
    assert_eq!(inside(&["--device-cgroup-rule", "c 10:229 rw"], script), "opened");
    assert_eq!(inside(&["--device-cgroup-rule", "c 10:* rwm"], script), "opened");
    let body = br#"{"Image":"busybox","HostConfig":{"DeviceCgroupRules":["c 1"]}}"#;
    let reply = shared().http("POST", "/containers/create", body);
    assert_eq!(reply.error(400), "invalid device cgroup rule format: 'c 1'");
}
