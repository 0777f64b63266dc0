//! podman with our runtime: the life of a container, limits, terminal, hooks, errors.

use std::fs;
use std::sync::LazyLock;

use gantry_testkit::{Binaries, Podman, poll};

use super::SLEEPER;

static PODMAN: LazyLock<Podman> =
    LazyLock::new(|| Podman::start(&Binaries::find().path("gantry-runc").to_string_lossy()));

/// Podman for all tests here; its enclosure goes with this test program.
pub(super) fn podman() -> &'static Podman {
    &PODMAN
}

/// A container in the background that listens to SIGTERM.
fn sleeper(name: &str, flags: &[&str]) {
    let words = [&["-d", "--name", name], flags, &["busybox", "sh", "-c", SLEEPER]].concat();
    podman().run(&words).run().success();
    poll("the program listens", || {
        podman().ok(&["logs", name]).contains("listening").then_some(())
    });
}

/// Removes a container. podman's own cleanup runs beside it, and the two may meet at a mount.
pub(super) fn remove(name: &str) {
    let words = ["rm", "-f", "-t", "0", name];
    poll("podman removes the container", || {
        (podman().podman(&words).run().code == 0).then_some(())
    });
}

fn inspect(name: &str, template: &str) -> String {
    podman().ok(&["inspect", name, "--format", template])
}

/// A file of the container's cgroup, as the host has it.
fn cgroup_file(name: &str, controller: &str, file: &str) -> String {
    let id = inspect(name, "{{.Id}}");
    let parent = podman().enclosure().cgroup();
    let path = format!("/sys/fs/cgroup/{controller}{parent}/libpod-{id}/{file}");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {path}: {error}"));
    text.trim().to_owned()
}

#[test]
fn a_life_with_exec_logs_top_pause_and_an_exit_code() {
    sleeper("life", &[]);
    let ran =
        podman().podman(&["exec", "life", "sh", "-c", "echo out; echo err >&2; exit 3"]).run();
    ran.exits(3).prints("out\n");
    assert!(ran.stderr.contains("err"), "{ran}");
    let fed = podman().podman(&["exec", "-i", "life", "cat"]).input("typed\n").run();
    fed.exits(0).prints("typed\n");
    assert_eq!(
        podman().ok(&[
            "exec",
            "-u",
            "app",
            "-w",
            "/tmp",
            "-e",
            "A=b",
            "life",
            "sh",
            "-c",
            "id -un; pwd; echo $A"
        ]),
        "app\n/tmp\nb"
    );
    assert!(podman().ok(&["top", "life"]).contains("sleep"));

    podman().ok(&["pause", "life"]);
    assert_eq!(inspect("life", "{{.State.Status}}"), "paused");
    let refused = podman().podman(&["exec", "life", "true"]).run();
    assert_ne!(refused.code, 0, "{refused}");
    podman().ok(&["unpause", "life"]);
    assert_eq!(inspect("life", "{{.State.Status}}"), "running");

    podman().ok(&["kill", "-s", "TERM", "life"]);
    assert_eq!(podman().ok(&["wait", "life"]), "9");
    assert!(podman().ok(&["logs", "life"]).ends_with("bye"));
    assert_eq!(inspect("life", "{{.State.Status}} {{.State.ExitCode}}"), "exited 9");
    podman().ok(&["start", "life"]);
    remove("life");
}

#[test]
fn what_is_killed_says_so() {
    sleeper("killed", &[]);
    podman().ok(&["kill", "killed"]);
    assert_eq!(podman().ok(&["wait", "killed"]), "137");
    podman().ok(&["restart", "-t", "0", "killed"]);
    podman().ok(&["stop", "-t", "5", "killed"]);
    // Stopped by SIGTERM, if it listened already; else by SIGKILL.
    let code = inspect("killed", "{{.State.ExitCode}}");
    assert!(code == "9" || code == "137", "{code}");
    podman().ok(&["rm", "killed"]);
    let oom = podman()
        .run(&[
            "--name",
            "oom",
            "--memory",
            "20m",
            "busybox",
            "sh",
            "-c",
            "dd if=/dev/zero of=/dev/null bs=100M",
        ])
        .run();
    oom.exits(137);
    assert_eq!(inspect("oom", "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
    podman().ok(&["rm", "oom"]);
}

#[test]
fn limits_hold_and_can_be_changed() {
    sleeper(
        "limits",
        &[
            "--memory",
            "64m",
            "--cpus",
            "0.5",
            "--cpu-shares",
            "512",
            "--pids-limit",
            "40",
            "--cpuset-cpus",
            "0",
        ],
    );
    assert_eq!(cgroup_file("limits", "memory", "memory.limit_in_bytes"), "67108864");
    assert_eq!(cgroup_file("limits", "cpu", "cpu.cfs_quota_us"), "50000");
    assert_eq!(cgroup_file("limits", "cpu", "cpu.shares"), "512");
    assert_eq!(cgroup_file("limits", "pids", "pids.max"), "40");
    let inside = podman().ok(&["exec", "limits", "grep", "Cpus_allowed_list", "/proc/self/status"]);
    assert!(inside.ends_with("\t0"), "{inside}");
    let forks = "i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i + 1)); done";
    let refused = podman().podman(&["exec", "limits", "sh", "-c", forks]).run();
    assert!(refused.stderr.contains("can't fork"), "{refused}");

    podman().ok(&["update", "--memory", "100m", "--cpus", "0.25", "limits"]);
    assert_eq!(cgroup_file("limits", "memory", "memory.limit_in_bytes"), "104857600");
    assert_eq!(cgroup_file("limits", "cpu", "cpu.cfs_quota_us"), "25000");
    let stats = podman().ok(&["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "limits"]);
    assert!(stats.starts_with("limits ") && !stats.ends_with(" 0"), "{stats}");
    remove("limits");
}

#[test]
fn a_terminal_works_both_ways() {
    let script = "tty; stty size; read x; echo \"got $x\"; ls -l /dev/console | cut -c1; exit 4";
    let mut terminal =
        podman().run(&["--rm", "-it", "busybox", "sh", "-c", script]).terminal(33, 101);
    terminal.expect("/dev/pts/0");
    terminal.send("words\r");
    terminal.expect("got words");
    terminal.expect("c");
    assert_eq!(terminal.wait(), 4);
}

#[test]
fn hooks_run_and_hear_the_state() {
    let folder = podman().enclosure().folder();
    let hooks = folder.join("hooks");
    fs::create_dir_all(&hooks).unwrap();
    for stage in ["prestart", "poststart", "poststop"] {
        let heard = folder.join(format!("heard-{stage}"));
        let script = format!("cat >{}", heard.display());
        let hook = serde_json::json!({
            "version": "1.0.0", "when": {"always": true}, "stages": [stage],
            "hook": {"path": "/bin/sh", "args": ["sh", "-c", script]},
        });
        fs::write(hooks.join(format!("{stage}.json")), hook.to_string()).unwrap();
    }
    let dir = hooks.to_string_lossy();
    let cgroup = podman().enclosure().cgroup();
    podman().ok(&[
        "--hooks-dir",
        &dir,
        "run",
        "--rm",
        "--network",
        "none",
        "--cgroup-parent",
        &cgroup,
        "busybox",
        "true",
    ]);
    let heard = |stage: &str| -> serde_json::Value {
        let path = folder.join(format!("heard-{stage}"));
        let text =
            poll("the hook to have run", || fs::read(&path).ok().filter(|text| !text.is_empty()));
        serde_json::from_slice(&text).unwrap()
    };
    assert!(heard("prestart")["pid"].as_u64().unwrap() > 0);
    assert_eq!(heard("poststart")["status"], "running");
    assert_eq!(heard("poststop")["status"], "stopped");
    assert_eq!(heard("prestart")["id"], heard("poststop")["id"]);
}

#[test]
fn a_program_that_cannot_run_gives_the_codes_that_users_know() {
    let missing = podman().run(&["--rm", "busybox", "no-such-program"]).run();
    missing.exits(127).complains("executable file not found in $PATH");
    podman()
        .run(&["--rm", "busybox", "/etc/passwd"])
        .run()
        .exits(126)
        .complains("permission denied");
    let exec = |program: &str| {
        let outcome = podman().podman(&["exec", "codes", program]).run();
        outcome.code
    };
    sleeper("codes", &[]);
    assert_eq!((exec("no-such-program"), exec("/etc/passwd")), (127, 126));
    remove("codes");
}

#[test]
fn a_health_check_is_an_exec() {
    sleeper("health", &["--health-cmd", "test -e /healthy", "--health-interval", "disable"]);
    assert_eq!(podman().podman(&["healthcheck", "run", "health"]).run().code, 1);
    podman().ok(&["exec", "health", "touch", "/healthy"]);
    assert_eq!(podman().podman(&["healthcheck", "run", "health"]).run().code, 0);
    assert_eq!(inspect("health", "{{.State.Health.Status}}"), "healthy");
    remove("health");
}
