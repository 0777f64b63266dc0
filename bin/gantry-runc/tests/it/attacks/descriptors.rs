//! Leaked descriptors and working directories. The rules: `O_CLOEXEC` everywhere and `close_range` last; the working directory is entered by
//! descriptor and must lie inside the root; who joins a container is born there with nothing of the host's.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::bed::{Bed, text, wait_until};

/// A working directory that is a descriptor of the runtime leads to the host (CVE-2024-21626). Stopped by: magic links are not followed.
#[test]
fn the_working_directory_cannot_be_a_leaked_descriptor() {
    for number in 3..20 {
        let mut bed = Bed::new();
        bed.set("/process/cwd", json!(format!("/proc/self/fd/{number}")));
        bed.script("pwd; ls /proc/1/root/../../../etc/hostname");
        let message = bed.run_err();
        assert!(message.contains("enter the working directory"), "{message}");
    }
}

/// The same by a link of the image (its `WORKDIR`), and by `exec --cwd`. Stopped by the same.
#[test]
fn neither_a_link_nor_an_exec_enters_a_leaked_descriptor() {
    let mut bed = Bed::new();
    symlink("/proc/self/fd/7", bed.rootfs().join("work")).unwrap();
    bed.set("/process/cwd", json!("/work"));
    let message = bed.run_err();
    assert!(message.contains("enter the working directory"), "{message}");
    bed.check_nothing_left();

    bed.set("/process/cwd", json!("/"));
    bed.script("exec sleep 1000").start();
    // The text of such a link may name something inside; what counts is that the host is not there.
    let secret = bed.dir.path().join("secret");
    fs::write(&secret, "of the host").unwrap();
    let look =
        format!("[ -e ../../../../../../../../../..{} ] && echo host; true", secret.display());
    for number in 3..30 {
        for cwd in [format!("/proc/self/fd/{number}"), format!("/proc/self/fd/{number}/../../..")] {
            let output = bed.call(&["exec", "--cwd", &cwd, &bed.id, "sh", "-c", &look]);
            assert_eq!(text(&output.stdout), "", "{cwd}");
        }
    }
    let output = bed.call(&["exec", "--cwd", "/work", &bed.id, "sh", "-c", &look]);
    assert_eq!(text(&output.stdout), "");
}

/// Descriptors of the runtime that stay open in the container, in its hooks or in an exec. Stopped by: `close_range` before every program.
#[test]
fn programs_get_the_standard_streams_only() {
    let mut bed = Bed::new();
    // A hook in the container, before the program: busybox's ls opens one more to read the directory.
    let list = "ls /proc/self/fd > /tmp/fds";
    bed.config["hooks"] = json!({"startContainer": [{"path": "/bin/busybox", "args": ["sh", "-c", list], "env": ["PATH=/bin"]}]});
    bed.script("ls /proc/self/fd; cat /tmp/fds; exec sleep 1000");
    let mut container = super::run_in_background(&bed);
    let mut lines = BufReader::new(container.stdout.take().unwrap()).lines().map(Result::unwrap);
    let numbers = ["0", "1", "2", "3"];
    assert!(lines.by_ref().take(8).eq([numbers, numbers].concat()));
    assert_eq!(bed.ok(&["exec", &bed.id, "ls", "/proc/self/fd"]), "0\n1\n2\n3\n");
    bed.ok(&["kill", &bed.id, "KILL"]);
    container.wait().unwrap();
}

/// A container that may trace looks into every process that an exec brings in, as soon as it can see it (a way like CVE-2016-9962). Stopped
/// by: a go-between goes to where the container is and closes what is the host's before the process is born into the pid namespace.
#[test]
fn an_exec_brings_nothing_of_the_host_along() {
    let mut bed = Bed::new();
    let secret = bed.dir.path().join("secret");
    fs::write(&secret, "of the host").unwrap();
    for set in ["bounding", "effective", "permitted"] {
        bed.push(&format!("/process/capabilities/{set}"), json!("CAP_SYS_PTRACE"));
    }
    // Looks through root, cwd and every directory of every process that is not the shell itself or its child.
    let look = format!(
        "echo ready; while [ ! -e /tmp/stop ]; do for p in /proc/[0-9]*; do case $p in /proc/1) continue;; esac; \
         for way in $p/root $p/cwd $p/fd/*/../../../../../../../../../..; do \
         [ -e $way{0} ] && echo \"host through $way\" && exit; done; done; done; echo nothing",
        secret.display()
    );
    bed.script(&look);
    let mut container = super::run_in_background(&bed);
    for _ in 0..30 {
        drop(bed.call(&["exec", &bed.id, "true"]));
    }
    fs::write(bed.rootfs().join("tmp/stop"), "").unwrap();
    wait_until("the attacker ends", || container.try_wait().unwrap().is_some());
    let output = container.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "ready\nnothing\n");
}
