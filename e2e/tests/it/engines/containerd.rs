//! containerd with our runtime under its own shim, and, where only that can go wrong, with our shim.

use std::fs;

use gantry_testkit::{Binaries, Containerd, Under, poll};

use super::SLEEPER;

fn with_runtime() -> Containerd {
    Containerd::start(Under::Runtime(Binaries::find().path("gantry-runc")))
}

fn with_shim() -> Containerd {
    Containerd::start(Under::Shim(Binaries::find().path("gantry-shim")))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Leaves a task running that ends with 9 when it is asked to; its pid.
fn sleeper(containerd: &Containerd, flags: &[&str], id: &str) -> u32 {
    containerd.run_detached(flags, id, SLEEPER);
    let pid = containerd.tasks().into_iter().find(|task| task.0 == id).unwrap().1;
    // Before that the kernel would keep the signal from the first process of a namespace.
    poll("it listens to SIGTERM", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        (u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << 14) != 0).then_some(())
    });
    pid
}

fn stopped(containerd: &Containerd, id: &str) {
    poll("the task has stopped", || {
        containerd.tasks().iter().any(|task| task.0 == id && task.2 == "STOPPED").then_some(())
    });
}

/// Removes a stopped task and asserts the status that it ended with.
#[track_caller]
fn remove(containerd: &Containerd, id: &str, status: i32) {
    let removed = containerd.ctr(&["task", "rm", id]).output().unwrap();
    assert!(text(&removed.stderr).contains(&format!("exit code {status}")), "{removed:?}");
    containerd.ok(&["container", "rm", id]);
}

#[test]
fn runs_have_their_output_and_their_status() {
    let containerd = with_runtime();
    let output = containerd.run(&["--rm"], "c1", "echo out; echo err >&2; exit 7");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n", "err\n"));
    let output = containerd.run(
        &["--rm", "--read-only", "--env", "A=b", "--cwd", "/tmp"],
        "c2",
        "touch /x 2>&1; echo $A; pwd",
    );
    assert_eq!(text(&output.stdout), "touch: /x: Read-only file system\nb\n/tmp\n");
    let output = containerd.run_program(&["--rm"], "c3", &["no-such-program"]);
    assert!(text(&output.stderr).contains("executable file not found in $PATH"), "{output:?}");
    assert_eq!(containerd.tasks(), []);
    assert_eq!(containerd.bundles(), Vec::<String>::new());
}

#[test]
fn a_task_has_execs_pauses_and_ends_and_its_events_come_in_order() {
    let containerd = with_runtime();
    let events = containerd.events();
    let pid = sleeper(&containerd, &["--label", "io.kubernetes.pod.name=web"], "c1");
    let labelled =
        containerd.ok(&["container", "list", "--quiet", "labels.\"io.kubernetes.pod.name\"==web"]);
    assert_eq!(labelled.trim(), "c1");
    let output = containerd.exec("c1", "e1", "echo out; echo err >&2; exit 5");
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n", "err\n"));
    assert_eq!(containerd.exec_with_input("c1", "e2", "cat; echo over", "input"), "inputover\n");
    assert!(containerd.ok(&["task", "ps", "c1"]).contains(&pid.to_string()));
    containerd.ok(&["task", "pause", "c1"]);
    assert_eq!(containerd.tasks(), [("c1".to_owned(), pid, "PAUSED".to_owned())]);
    containerd.ok(&["task", "resume", "c1"]);
    containerd.ok(&["task", "kill", "c1"]);
    stopped(&containerd, "c1");
    remove(&containerd, "c1", 9);

    poll("the last event is there", || {
        (events.topics().last().map(String::as_str) == Some("delete")).then_some(())
    });
    let topics = events.topics();
    let place = |name: &str| topics.iter().position(|topic| topic == name).unwrap();
    assert!(place("create") < place("start") && place("start") < place("exec-added"), "{topics:?}");
    let last = |name: &str| topics.iter().rposition(|topic| topic == name).unwrap();
    assert!(last("resumed") < last("exit") && last("exit") < last("delete"), "{topics:?}");
}

#[test]
fn limits_hold_and_a_lack_of_memory_is_told() {
    let containerd = with_runtime();
    let events = containerd.events();
    let flags = ["--memory-limit", "30000000", "--cpu-quota", "50000", "--cpu-period", "100000"];
    let script = "while [ ! -e /go ]; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=100M";
    containerd.run_detached(&flags, "c1", script);
    let file = |controller: &str, name: &str| {
        let path = format!("/sys/fs/cgroup/{controller}{}/{name}", containerd.cgroup("c1"));
        fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("read {path}: {error}"))
            .trim()
            .to_owned()
    };
    assert_eq!(file("memory", "memory.limit_in_bytes"), "29999104");
    assert_eq!(file("cpu", "cpu.cfs_quota_us"), "50000");
    containerd.exec("c1", "e1", "echo > /go");
    stopped(&containerd, "c1");
    poll("the lack of memory is told", || {
        events.topics().contains(&"oom".to_owned()).then_some(())
    });
    remove(&containerd, "c1", 137);
}

#[test]
fn a_terminal_works_both_ways() {
    let containerd = with_runtime();
    let script = "until [ \"$(stty size)\" = '33 101' ]; do sleep 0.05; done; echo told; read x; echo \"got $x\"; exit 3";
    let mut terminal = containerd.run_in_terminal("c1", script, (33, 101));
    terminal.expect("told");
    terminal.send("words\r");
    terminal.expect("got words");
    assert_eq!(terminal.wait(), 3);
}

/// One that ended while nobody looked, one that is found again, and nothing lost of either.
#[track_caller]
fn outlives_a_containerd_that_is_killed(mut containerd: Containerd) {
    let pid = sleeper(&containerd, &[], "c1");
    let other = sleeper(&containerd, &[], "c2");
    containerd.kill();
    let killed = std::process::Command::new("kill").args(["-TERM", &other.to_string()]).status();
    assert!(killed.unwrap().success());
    poll("the second has ended", || {
        let stat = fs::read_to_string(format!("/proc/{other}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
    containerd.start_again();
    stopped(&containerd, "c2");
    remove(&containerd, "c2", 9);
    assert_eq!(containerd.tasks(), [("c1".to_owned(), pid, "RUNNING".to_owned())]);
    let output = containerd.exec("c1", "e1", "echo again; exit 4");
    assert_eq!((text(&output.stdout), output.status.code()), ("again\n", Some(4)), "{output:?}");
    let events = containerd.events();
    containerd.ok(&["task", "kill", "--signal", "SIGKILL", "c1"]);
    poll("the end is told", || events.text().contains("\"exit_status\":137").then_some(()));
    remove(&containerd, "c1", 137);
    assert_eq!(containerd.bundles(), Vec::<String>::new());
}

#[test]
fn containers_outlive_a_containerd_that_is_killed_under_its_own_shim() {
    outlives_a_containerd_that_is_killed(with_runtime());
}

#[test]
fn containers_outlive_a_containerd_that_is_killed_under_our_shim() {
    outlives_a_containerd_that_is_killed(with_shim());
}
