//! From create to delete: states, signals, exit codes.

use std::fs;
use std::time::Duration;

use gantry_oci::runtime::Status;
use serde_json::json;

use crate::bed::{Bed, poll, text};

#[test]
fn a_container_in_the_background_is_running_when_its_maker_returns() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000");
    for _ in 0..50 {
        bed.start();
        assert_eq!(bed.status(), "running");
        bed.ok(&["delete", "--force", &bed.id]);
    }
    bed.check_nothing_left();
}

#[test]
fn what_never_executes_its_program_is_never_called_running() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").write_config();
    kill_makers(&mut bed);
}

/// In a user namespace a process does not go on before its maker says so.
#[test]
fn what_waits_for_its_maker_is_never_called_running() {
    let mut bed = Bed::new();
    bed.map_users().script("exec sleep 1000").write_config();
    kill_makers(&mut bed);
}

/// Kills `run` on the way. A kill comes sooner than the last when that one found the program running, and later when it did not: they
/// stay about the moment in between, however fast the machine is.
fn kill_makers(bed: &mut Bed) {
    let mut wait = Duration::from_millis(4);
    let (mut ran, mut gave_up) = (0, 0);
    for round in 0..120 {
        let mut maker = bed.command(&["run", &bed.id]).spawn().unwrap();
        // No state is waited for: a moment is chosen, and any state is right in which the kill finds the container.
        std::thread::sleep(wait);
        maker.kill().unwrap();
        maker.wait().unwrap();
        if runs_after_all(bed) {
            let pid = bed.state()["pid"].as_i64().unwrap();
            let program = fs::read_link(format!("/proc/{pid}/exe"));
            assert!(program.is_ok_and(|it| it.ends_with("busybox")), "in round {round}");
            (ran, wait) = (ran + 1, wait.mul_f32(0.9));
        } else {
            (gave_up, wait) = (gave_up + 1, wait.mul_f32(1.1));
        }
        bed.ok(&["delete", "--force", &bed.id]);
    }
    assert!(ran > 0 && gave_up > 0, "{ran} ran and {gave_up} did not");
    bed.check_nothing_left();
}

/// Whether the program of a container runs whose maker is gone.
fn runs_after_all(bed: &Bed) -> bool {
    if !names_a_process(bed) {
        return false;
    }
    let status = poll("the container is made, or is not", || {
        let status = gantry_runtime::state(&bed.state_dir()).unwrap().status;
        (status != Status::Creating).then_some(status)
    });
    assert!(matches!(status, Status::Running | Status::Stopped), "{status:?}");
    status == Status::Running
}

/// Whether the container has a record that names its process.
fn names_a_process(bed: &Bed) -> bool {
    let record = fs::read_to_string(bed.state_dir().join("state.json")).unwrap_or_default();
    record.lines().last().is_some_and(|line| {
        let last: serde_json::Value = serde_json::from_str(line).unwrap();
        last["pid"] != 0
    })
}

#[test]
fn run_gives_output_and_exit_code_and_leaves_nothing() {
    let mut bed = Bed::new();
    bed.script("echo out; echo err >&2; exit 7").write_config();
    let output = bed.call(&["run", &bed.id]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n".into(), "err\n".into()));
    assert_eq!(output.status.code(), Some(7));
    bed.check_nothing_left();
    bed.script("kill -9 $$; sleep 60").set("/linux/namespaces", json!([{"type": "mount"}]));
    bed.set("/hostname", json!(""));
    bed.write_config();
    assert_eq!(bed.call(&["run", &bed.id]).status.code(), Some(137));
    bed.check_nothing_left();
}

/// Somebody removes it while its process is being made, and makes another of the same id.
#[test]
fn run_leaves_alone_what_has_come_to_its_containers_place() {
    let mut bed = Bed::new();
    let place = bed.state_dir();
    let theirs = place.join("theirs");
    let swap = format!("mv {0} {0}.gone && mkdir {0} && echo > {0}/theirs", place.display());
    bed.config["hooks"] = json!({
        "createRuntime": [{"path": "/bin/busybox", "args": ["sh", "-c", swap]}]
    });
    bed.script("true").run();
    assert!(theirs.exists());
    // Ours again: it knows its cgroup.
    fs::remove_dir_all(&place).unwrap();
    fs::rename(format!("{}.gone", place.display()), &place).unwrap();
    bed.ok(&["delete", "--force", &bed.id]);
    bed.check_nothing_left();
}

/// Who made it may die: copies of its sockets in the waiting process would keep its callers waiting.
#[test]
fn a_container_that_waits_holds_nothing_but_its_gate() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").write_config();
    bed.ok(&["create", &bed.id]);
    let held = format!("/proc/{}/fd", bed.state()["pid"]);
    let mut names: Vec<String> = fs::read_dir(held)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().unwrap() > 2)
        .map(|entry| fs::read_link(entry.path()).unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let gate = |name: &str| bed.state_dir().join(name).to_string_lossy().into_owned();
    assert_eq!(names, [gate("exec.fifo"), gate("exec.status")]);
    bed.ok(&["delete", "--force", &bed.id]);
    bed.check_nothing_left();
}

/// A `start` that was killed before it could put its name away is no reason to call a running container created.
#[test]
fn what_runs_is_not_called_created_for_a_fifo_that_was_left() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").write_config();
    bed.ok(&["create", &bed.id]);
    bed.ok(&["start", &bed.id]);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bed.state_dir().join("exec.fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert_eq!(bed.status(), "running");
    assert!(bed.err(&["start", &bed.id]).contains("already running"));
    bed.ok(&["delete", "--force", &bed.id]);
}

#[test]
fn a_container_goes_through_its_states() {
    let mut bed = Bed::new();
    bed.script(": > /started; exec sleep 1000").write_config();
    bed.ok(&["create", "--pid-file", "pid", &bed.id]);
    assert_eq!(bed.status(), "created");
    let pid: i64 = fs::read_to_string(bed.bundle().join("pid")).unwrap().parse().unwrap();
    let state = bed.state();
    assert_eq!(state["pid"], pid);
    assert_eq!(state["id"], bed.id.as_str());
    assert_eq!(state["bundle"], bed.bundle().to_str().unwrap());
    assert!(!bed.rootfs().join("started").exists());
    assert!(bed.err(&["create", &bed.id]).contains("already exists"));
    assert!(bed.err(&["delete", &bed.id]).contains("is not stopped: created"));

    bed.ok(&["start", &bed.id]);
    bed.wait_for_status("running");
    assert!(bed.err(&["start", &bed.id]).contains("already running"));
    assert!(bed.err(&["delete", &bed.id]).contains("is not stopped: running"));
    let pids: Vec<i64> =
        serde_json::from_str(&bed.ok(&["ps", "--format", "json", &bed.id])).unwrap();
    assert_eq!(pids, [pid]);
    assert!(bed.ok(&["ps", &bed.id]).contains("sleep 1000"));
    assert!(bed.ok(&["list"]).contains(&format!("{}   {pid}", bed.id)));
    assert_eq!(bed.ok(&["list", "-q"]), format!("{}\n", bed.id));

    bed.ok(&["kill", &bed.id, "KILL"]);
    bed.wait_for_status("stopped");
    assert!(bed.state().get("pid").is_none());
    assert!(bed.err(&["kill", &bed.id, "TERM"]).contains("container not running"));
    assert!(bed.err(&["start", &bed.id]).contains("cannot start a container that has stopped"));
    assert!(bed.err(&["exec", &bed.id, "true"]).contains("container not running"));
    bed.ok(&["delete", &bed.id]);
    assert!(bed.err(&["state", &bed.id]).contains("container does not exist"));
    bed.check_nothing_left();
}

#[test]
fn force_deletes_a_container_in_any_state() {
    for start in [false, true] {
        let mut bed = Bed::new();
        bed.script("sleep 1000 & sleep 1000").write_config();
        bed.ok(&["create", &bed.id]);
        if start {
            bed.ok(&["start", &bed.id]);
        }
        bed.ok(&["delete", "--force", &bed.id]);
        bed.check_nothing_left();
        bed.ok(&["delete", "--force", &bed.id]);
        assert!(bed.err(&["delete", &bed.id]).contains("does not exist"));
    }
}

#[test]
fn a_signal_reaches_the_process_with_its_default_disposition() {
    let mut bed = Bed::new();
    // The first process of a pid namespace is immune to signals it has no handler for.
    bed.script("trap 'exit 3' TERM; touch /ready; while :; do sleep 0.01; done");
    bed.start();
    crate::bed::wait_until("the handler is there", || bed.rootfs().join("ready").exists());
    bed.ok(&["kill", &bed.id, "15"]);
    bed.wait_for_status("stopped");
    bed.ok(&["delete", &bed.id]);
    bed.script("grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2 | sort -u");
    assert_eq!(bed.run(), "0000000000000000\n");
}

#[test]
fn signals_to_the_runtime_go_through() {
    let mut bed = Bed::new();
    bed.script("trap 'exit 5' USR1; touch /ready; while :; do sleep 0.01; done").write_config();
    let mut child = bed.command(&["run", &bed.id]).spawn().unwrap();
    crate::bed::wait_until("the container is ready", || bed.rootfs().join("ready").exists());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    bed.check_nothing_left();
}

#[test]
fn pause_stops_all_processes_and_resume_lets_them_go_on() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000");
    bed.start();
    bed.ok(&["pause", &bed.id]);
    assert_eq!(bed.status(), "paused");
    assert!(bed.err(&["exec", &bed.id, "true"]).contains("paused"));
    assert!(bed.err(&["pause", &bed.id]).contains("it is paused"));
    bed.ok(&["resume", &bed.id]);
    assert_eq!(bed.status(), "running");
    assert!(bed.err(&["resume", &bed.id]).contains("not paused"));
    bed.ok(&["pause", &bed.id]);
    bed.ok(&["delete", "-f", &bed.id]);
    bed.check_nothing_left();
}

#[test]
fn a_paused_container_that_is_killed_ends() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000");
    bed.start();
    bed.ok(&["pause", &bed.id]);
    bed.ok(&["kill", &bed.id, "KILL"]);
    bed.wait_for_status("stopped");
    bed.ok(&["delete", &bed.id]);
    bed.check_nothing_left();
}

#[test]
fn kill_all_reaches_every_process_of_a_container_that_shares_the_hosts_pids() {
    let mut bed = Bed::new();
    bed.script("sleep 1001 & exec sleep 1002");
    bed.set(
        "/linux/namespaces",
        json!([{"type": "mount"}, {"type": "uts"}, {"type": "ipc"}, {"type": "network"}]),
    );
    bed.start();
    crate::bed::wait_until("both run", || {
        bed.ok(&["ps", &bed.id]).matches("sleep 100").count() == 2
    });
    bed.ok(&["kill", "--all", &bed.id, "KILL"]);
    bed.wait_for_status("stopped");
    bed.ok(&["delete", &bed.id]);
    bed.check_nothing_left();
}

#[test]
fn hooks_run_in_the_specifications_order() {
    let mut bed = Bed::new();
    let log = bed.dir.path().join("log");
    let hook = |name: &str, path: &str| json!([{"path": "/bin/busybox", "args": ["sh", "-c", format!("echo {name} >> {path}")]}]);
    let host = log.to_str().unwrap();
    bed.config["hooks"] = json!({
        "prestart": hook("prestart", host), "createRuntime": hook("createRuntime", host),
        "createContainer": hook("createContainer", host),
        "startContainer": hook("startContainer", "/inside"),
        "poststart": hook("poststart", host), "poststop": hook("poststop", host),
    });
    bed.script("cat /inside");
    assert_eq!(bed.run(), "startContainer\n");
    assert_eq!(
        fs::read_to_string(&log).unwrap(),
        "prestart\ncreateRuntime\ncreateContainer\npoststart\npoststop\n"
    );
    bed.config["hooks"]["createRuntime"] =
        json!([{"path": "/bin/busybox", "args": ["sh", "-c", "echo sorry >&2; exit 3"]}]);
    let message = bed.run_err();
    assert!(message.contains("createRuntime hook /bin/busybox"), "{message}");
    assert!(message.contains("sorry"), "{message}");
    bed.check_nothing_left();
}
