//! More processes in a running container.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::bed::{Bed, text};

fn running() -> Bed {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000");
    bed.start();
    bed
}

#[test]
fn a_process_joins_every_namespace_and_the_cgroup() {
    let bed = running();
    let pid = bed.state()["pid"].as_i64().unwrap();
    let script = "for n in pid net ipc uts mnt cgroup; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup; pwd; ps";
    let output = bed.ok(&["exec", &bed.id, "sh", "-c", script]);
    for kind in ["pid", "net", "ipc", "uts", "mnt", "cgroup"] {
        let first = fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert!(output.contains(first.to_str().unwrap()), "{kind}: {output}");
    }
    assert!(output.contains("pids:/\n"), "{output}");
    assert!(output.contains("sleep 1000"), "{output}");
}

#[test]
fn the_exit_code_is_the_processs() {
    let bed = running();
    assert_eq!(bed.call(&["exec", &bed.id, "sh", "-c", "exit 9"]).status.code(), Some(9));
    assert_eq!(bed.call(&["exec", &bed.id, "sh", "-c", "kill -9 $$"]).status.code(), Some(137));
}

#[test]
fn flags_change_the_process() {
    let bed = running();
    let args = ["exec", "--user", "12:34", "--cwd", "/tmp", "--env", "A=1", "-e", "B=2", &bed.id];
    let script = "echo $(id -u):$(id -g) $(pwd) $A$B; grep CapEff /proc/self/status";
    let output = bed.ok(&[&args[..], &["sh", "-c", script]].concat());
    assert!(output.starts_with("12:34 /tmp 12\n"), "{output}");
    assert!(output.contains("CapEff:\t0000000000000000"), "{output}");
    fs::write(
        bed.dir.path().join("process.json"),
        json!({"args": ["pwd"], "cwd": "/var", "env": ["PATH=/bin"], "user": {"uid": 1, "gid": 1}})
            .to_string(),
    )
    .unwrap();
    let file = bed.dir.path().join("process.json");
    assert_eq!(bed.ok(&["exec", "--process", file.to_str().unwrap(), &bed.id]), "/var\n");
}

#[test]
fn failures_exit_with_255_and_dockers_words() {
    let bed = running();
    fs::write(bed.rootfs().join("plain"), "").unwrap();
    fs::write(bed.rootfs().join("broken"), "\u{7f}ELF?").unwrap();
    fs::set_permissions(bed.rootfs().join("broken"), fs::Permissions::from_mode(0o755)).unwrap();
    for (command, words) in [
        ("nope", "exec: \"nope\": executable file not found in $PATH"),
        ("/no/x", "exec: \"/no/x\": stat /no/x: no such file or directory"),
        ("/plain", "exec: \"/plain\": permission denied"),
        ("/bin", "exec: \"/bin\": is a directory"),
        ("/broken", "exec /broken: exec format error"),
    ] {
        for flags in [&[][..], &["-t"]] {
            let output = bed.call(&[&["exec"], flags, &[&bed.id, command]].concat());
            assert_eq!(output.status.code(), Some(255), "{command}");
            let message = text(&output.stderr);
            assert!(message.contains(words), "{message}");
        }
    }
    for (args, words) in [
        (&["nope", "true"][..], "container does not exist"),
        (&["--process", "/no/file", &bed.id], "read /no/file"),
        (&["--process", "rootfs/broken", &bed.id], "parse rootfs/broken"),
    ] {
        let output = bed.call(&[&["exec"], args].concat());
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(255), "{message}");
        assert!(message.contains("exec failed: ") && message.contains(words), "{message}");
    }
    assert_eq!(bed.call(&["exec", &bed.id]).status.code(), Some(1));
    assert_eq!(bed.call(&["exec", "--frob", &bed.id, "true"]).status.code(), Some(1));
}

#[test]
fn a_process_that_cannot_be_announced_is_ended() {
    let bed = running();
    for flags in [
        &["-d", "--pid-file", "/no/file"][..],
        &["--pid-file", "/no/file"],
        &["-d", "--pidfd-socket", "/no/file"],
        &["-d", "-t", "--console-socket", "/no/file"],
    ] {
        let args = [&["exec"], flags, &[bed.id.as_str(), "sleep", "333"]].concat();
        let output = bed.call(&args);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(255), "{message}");
        assert!(message.contains("/no/file"), "{message}");
        let left = bed.ok(&["ps", &bed.id]);
        assert!(!left.contains("sleep 333"), "{flags:?}: {left}");
    }
}

#[test]
fn a_detached_process_runs_on() {
    let bed = running();
    bed.ok(&["exec", "-d", "--pid-file", "pid", &bed.id, "sleep", "77"]);
    let pid = fs::read_to_string(bed.bundle().join("pid")).unwrap();
    assert!(bed.ok(&["ps", &bed.id]).contains(&format!("{pid} sleep 77")));
}
