//! All that a user can do with his container.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use gantry_sys::unix_socket::receive_with_fd;
use serde_json::{Value, json};

use super::rig::{Rig, USER, Who};
use crate::bed::{text, wait_until};

fn running() -> Rig {
    let mut rig = Rig::new(Who::User);
    rig.map_ranges().script("exec sleep 1000");
    rig.start();
    rig
}

#[test]
fn a_container_is_created_started_looked_at_killed_and_deleted() {
    let mut rig = Rig::new(Who::User);
    let id = rig.bed.id.clone();
    rig.script("exec sleep 1000").write();
    rig.ok(&["create", "--pid-file", "../run/pid", &id]);
    assert_eq!(rig.state()["status"], "created");
    let pid = fs::read_to_string(rig.bed.dir.path().join("run/pid")).unwrap();
    assert_eq!(pid, rig.pid().to_string());
    // The process that waits is the runtime's, which nobody but root may trace.
    let message = rig.err(&["exec", &id, "true"]);
    assert!(message.contains("when its program runs"), "{message}");
    rig.ok(&["start", &id]);
    let state = rig.state();
    assert_eq!(state["status"], "running");
    // The real user namespace of the call has no name for him, but the rig's table of users.
    assert_eq!((&state["owner"], &state["cgroup"]), (&json!("mara"), &Value::Null));
    assert_eq!(fs::metadata(rig.bed.state_dir()).unwrap().mode() & 0o777, 0o700);
    let list = rig.ok(&["list"]);
    assert!(list.contains(&id) && list.contains("mara"), "{list}");
    // The shell becomes it.
    wait_until("it is listed", || rig.ok(&["ps", &id]).contains(&format!("{pid} sleep 1000")));
    assert!(rig.err(&["delete", &id]).contains("not stopped: running"));
    rig.ok(&["kill", &id, "KILL"]);
    wait_until("it has stopped", || rig.state()["status"] == "stopped");
    rig.ok(&["delete", &id]);
    rig.bed.check_nothing_left();
}

#[test]
fn what_needs_a_cgroup_says_so() {
    let rig = running();
    for args in [&["pause"][..], &["events", "--stats"], &["update", "--pids-limit", "5"]] {
        let message = rig.err(&[args, &[&rig.bed.id]].concat());
        assert!(message.contains("has no cgroup"), "{message}");
    }
    // Its place is in the pid namespace alone: there it goes, with all others.
    rig.ok(&["exec", "-d", "--user", "7", "--pid-file", "../run/pid", &rig.bed.id, "sleep", "77"]);
    let pid = fs::read_to_string(rig.bed.dir.path().join("run/pid")).unwrap();
    assert!(rig.ok(&["ps", &rig.bed.id]).contains(&format!("{pid} sleep 77")));
    rig.ok(&["kill", "--all", &rig.bed.id, "HUP"]);
    wait_until("the other one has ended", || !rig.ok(&["ps", &rig.bed.id]).contains("sleep 77"));
    rig.ok(&["kill", "--all", &rig.bed.id, "KILL"]);
    wait_until("it has stopped", || rig.state()["status"] == "stopped");
    rig.ok(&["delete", &rig.bed.id]);
    rig.bed.check_nothing_left();
}

#[test]
fn a_limit_without_a_cgroup_is_refused() {
    let mut rig = Rig::new(Who::User);
    rig.bed.set("/linux/resources", json!({"pids": {"limit": 5}}));
    let message = rig.run_err();
    assert!(
        message.contains("cannot set linux.resources.pids: no cgroup is writable"),
        "{message}"
    );
    rig.bed.set(
        "/linux/resources",
        json!({"pids": {"limit": -1}, "devices": [{"allow": false, "access": "rwm"}]}),
    );
    rig.script("echo ran");
    assert_eq!(rig.run(), "ran\n");
    // Whoever says that this is not to be tolerated hears of it.
    rig.write();
    assert!(rig.err(&["--rootless=false", "run", &rig.bed.id]).contains("cgroup"));
    assert!(rig.err(&["--rootless=maybe", "list"]).contains("true, false or auto"));
    rig.bed.check_nothing_left();
}

#[test]
fn another_process_enters_everything() {
    let rig = running();
    let pid = rig.pid();
    let script = "for n in user pid net ipc uts mnt cgroup; do readlink /proc/self/ns/$n; done; ps; id -u; pwd";
    let output = rig.ok(&["exec", &rig.bed.id, "sh", "-c", script]);
    for kind in ["user", "pid", "net", "ipc", "uts", "mnt", "cgroup"] {
        let first = fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert!(output.contains(first.to_str().unwrap()), "{kind}: {output}");
    }
    assert!(output.contains("sleep 1000") && output.ends_with("0\n/\n"), "{output}");
    let output = rig.ok(&[
        "exec",
        "--user",
        "7:8",
        &rig.bed.id,
        "sh",
        "-c",
        "id -u; id -g; grep CapEff /proc/self/status",
    ]);
    assert_eq!(output, "7\n8\nCapEff:\t0000000000000000\n");
    assert_eq!(rig.call(&["exec", &rig.bed.id, "sh", "-c", "exit 9"]).status.code(), Some(9));
    // The machine's root may, too.
    assert_eq!(rig.bed.ok(&["exec", "--user", "7", &rig.bed.id, "id", "-u"]), "7\n");
    let output = rig.call(&["exec", &rig.bed.id, "nope"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("executable file not found"), "{}", text(&output.stderr));
    rig.ok(&["delete", "--force", &rig.bed.id]);
    rig.bed.check_nothing_left();
}

/// The terminal's master, as a console socket gets it.
fn terminal_of(rig: &Rig, args: &[&str]) -> File {
    let path = rig.bed.dir.path().join("run/console");
    drop(fs::remove_file(&path));
    let listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let (command, rest) = args.split_first().unwrap();
    rig.ok(&[&[*command, "--console-socket", path.to_str().unwrap()], rest].concat());
    let (socket, _) = listener.accept().unwrap();
    receive_with_fd(socket.as_fd(), &mut [0; 64]).unwrap().1.unwrap().into()
}

fn read_until(terminal: &mut File, words: &str) {
    let mut seen = String::new();
    let mut buffer = [0; 256];
    while !seen.contains(words) {
        match terminal.read(&mut buffer) {
            Ok(length) if length > 0 => seen.push_str(&String::from_utf8_lossy(&buffer[..length])),
            _ => panic!("the terminal ended before {words:?}: {seen:?}"),
        }
    }
}

#[test]
fn terminals_go_to_console_sockets() {
    let mut rig = Rig::new(Who::User);
    // Group 5, whose terminals are in the document of the rig, is not mapped.
    rig.bed.set("/process/terminal", json!(true));
    rig.script("tty; stat -c '%u' /dev/pts/0; read x; echo got $x; exec sleep 1000").write();
    let mut terminal = terminal_of(&rig, &["create", &rig.bed.id]);
    rig.ok(&["start", &rig.bed.id]);
    read_until(&mut terminal, "/dev/pts/0\r\n0\r\n");
    terminal.write_all(b"hello\n").unwrap();
    read_until(&mut terminal, "got hello");
    let mut second =
        terminal_of(&rig, &["exec", "-t", "-d", &rig.bed.id, "sh", "-c", "tty; sleep 1000"]);
    read_until(&mut second, "/dev/pts/1");
    rig.ok(&["delete", "--force", &rig.bed.id]);
    rig.bed.check_nothing_left();
}

#[test]
fn the_groups_terminals_keep_their_group_where_it_is_mapped() {
    for (ranges, group) in [(false, "0"), (true, "5")] {
        let mut rig = Rig::new(Who::User);
        if ranges {
            rig.map_ranges();
        }
        rig.bed.set("/process/terminal", json!(true));
        rig.script("stat -c %g:%a /dev/pts/0");
        assert_eq!(rig.run(), format!("{group}:620\r\n"));
    }
}

#[test]
fn hooks_run_as_the_user_outside_and_as_root_inside() {
    let mut rig = Rig::new(Who::User);
    let report = rig.bed.dir.path().join("run/report");
    let hook = |name: &str| {
        let line = format!("echo {name} $(id -u) >> {}; cat > /dev/null", report.display());
        json!([{"path": "/bin/sh", "args": ["sh", "-c", line], "env": ["PATH=/bin:/usr/bin"]}])
    };
    rig.bed.config["hooks"] = json!({
        "createRuntime": hook("createRuntime"), "createContainer": hook("createContainer"),
        "poststart": hook("poststart"), "poststop": hook("poststop"),
    });
    rig.script("true");
    rig.run();
    let said = fs::read_to_string(&report).unwrap();
    let outside = |name: &str| format!("{name} {USER}\n");
    let expected = [
        &outside("createRuntime"),
        "createContainer 0\n",
        &outside("poststart"),
        &outside("poststop"),
    ]
    .concat();
    assert_eq!(said, expected);
}

#[test]
fn system_calls_are_filtered_with_and_without_no_new_privs() {
    for no_new_privileges in [true, false] {
        let mut rig = Rig::new(Who::User);
        rig.bed.set("/process/noNewPrivileges", no_new_privileges.into());
        rig.bed.set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}),
        );
        rig.script("mkdir /x 2>&1; grep Seccomp: /proc/self/status; exec sleep 1000");
        rig.write();
        rig.ok(&["run", "-d", &rig.bed.id]);
        let script = "mkdir /x 2>&1; grep -E 'Seccomp:|NoNewPrivs' /proc/self/status";
        let said = rig.ok(&["exec", &rig.bed.id, "sh", "-c", script]);
        assert!(said.contains("not supported") && said.contains("Seccomp:\t2"), "{said}");
        assert!(said.contains(&format!("NoNewPrivs:\t{}", u8::from(no_new_privileges))), "{said}");
    }
}

#[test]
fn the_document_for_users_runs() {
    let rig = Rig::new(Who::User);
    fs::remove_dir_all(rig.bed.bundle().join("config.json")).ok();
    rig.hand_over();
    rig.ok(&["spec", "--rootless"]);
    let path = rig.bed.bundle().join("config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        spec["linux"]["uidMappings"],
        json!([{"containerID": 0, "hostID": USER, "size": 1}])
    );
    spec["process"]["args"] =
        json!(["/bin/sh", "-c", "/bin/id -u; /bin/ls /sys/class/net; /bin/touch /sys/fs/cgroup/x"]);
    spec["process"]["terminal"] = json!(false);
    fs::write(&path, spec.to_string()).unwrap();
    let output = rig.call(&["run", &rig.bed.id]);
    let said = text(&output.stdout);
    assert!(said.starts_with("0\n") && said.contains("lo"), "{said} {}", text(&output.stderr));
    assert!(text(&output.stderr).contains("Read-only"), "{}", text(&output.stderr));
    rig.bed.check_nothing_left();
}

#[test]
fn records_lie_in_the_users_own_directory() {
    let mut rig = Rig::new(Who::User);
    rig.script("exec sleep 1000").write();
    let run = |args: &[&str]| {
        let program = env!("CARGO_BIN_EXE_gantry-runc");
        let output = super::rig::output_of(
            rig.program(program.as_ref(), args),
            &rig.bed.dir.path().join("said"),
        );
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    run(&["run", "-d", &rig.bed.id]);
    let root = rig.bed.dir.path().join("run/gantry-runc");
    let found = fs::metadata(&root).unwrap();
    assert_eq!((found.uid(), found.mode() & 0o7777), (USER, 0o1700));
    assert_eq!(run(&["list", "-q"]), format!("{}\n", rig.bed.id));
    run(&["delete", "--force", &rig.bed.id]);
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);

    // Somebody else may have made it first, and put records of his there.
    fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
    let program = env!("CARGO_BIN_EXE_gantry-runc");
    let output = rig.program(program.as_ref(), &["list"]).output().unwrap();
    assert!(!output.status.success());
    let message = text(&output.stderr);
    assert!(message.contains("is not a directory that only you may write"), "{message}");
}
