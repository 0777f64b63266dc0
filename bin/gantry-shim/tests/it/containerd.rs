//! The shim under a real containerd of Debian, driven with `ctr`. Everything containerd touches is in a
//! temporary directory.

use crate::container::{binary, is_running, poll};
use crate::survival::send;
use gantry_shims::Shims;
use gantry_testkit::{Containerd, Under};
use gantry_types::Signal;

const SLEEPER: &str = "trap 'exit 9' TERM; while :; do sleep 0.05; done";

fn containerd() -> Containerd {
    Containerd::start(Under::Shim(binary()))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A task that ends with 9 when it is asked to.
fn run_sleeper(containerd: &Containerd, id: &str) {
    containerd.run_detached(&[], id, SLEEPER);
    let pid = containerd.tasks().into_iter().find(|task| task.0 == id).unwrap().1;
    // Before that the kernel would keep the signal from the first process of a namespace.
    poll("it listens to SIGTERM", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << 14) != 0
    });
}

#[test]
fn a_run_has_its_output_and_its_status_and_leaves_nothing() {
    let containerd = containerd();
    let output = containerd.run(&["--rm"], "c1", "echo out; echo err >&2; exit 7");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n", "err\n"));

    let output = containerd.run(&["--rm", "--read-only"], "c2", "echo x > /file");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("Read-only file system"), "{output:?}");

    // Much output, to the last byte.
    let output = containerd.run(&["--rm"], "c3", "seq 1 200000");
    assert!(text(&output.stdout) == crate::container::numbers(200_000));

    assert_eq!(containerd.tasks(), []);
    assert_eq!(containerd.bundles(), Vec::<String>::new());
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let containerd = containerd();
    let output = containerd.run_program(&["--rm"], "c1", &["no-such-program"]);
    assert_eq!(output.status.code(), Some(1));
    let words = "exec: \"no-such-program\": executable file not found in $PATH";
    assert!(text(&output.stderr).contains(words), "{output:?}");
    assert_eq!(containerd.bundles(), Vec::<String>::new());
    // The name is free again.
    assert_eq!(containerd.run(&["--rm"], "c1", "exit 2").status.code(), Some(2));
}

#[test]
fn a_task_has_execs_pauses_and_ends_and_its_events_come_in_order() {
    let containerd = containerd();
    let events = containerd.events();
    run_sleeper(&containerd, "c1");
    let pid = &containerd.tasks()[0].1;
    let output = containerd.exec("c1", "e1", "echo out; echo err >&2; exit 5");
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n", "err\n"));
    let printed = containerd.exec_with_input("c1", "e2", "cat; echo over", "input");
    assert_eq!(printed, "inputover\n");
    assert!(containerd.ok(&["task", "ps", "c1"]).contains(&pid.to_string()));

    containerd.ok(&["task", "pause", "c1"]);
    assert_eq!(containerd.tasks(), [("c1".to_owned(), *pid, "PAUSED".to_owned())]);
    containerd.ok(&["task", "resume", "c1"]);
    assert_eq!(containerd.tasks(), [("c1".to_owned(), *pid, "RUNNING".to_owned())]);

    let refused = containerd.ctr(&["task", "rm", "c1"]).output().unwrap();
    assert!(!refused.status.success() && containerd.tasks().len() == 1, "{refused:?}");
    containerd.ok(&["task", "kill", "c1"]);
    poll("the task has stopped", || containerd.tasks()[0].2 == "STOPPED");
    // ctr's own status is the task's.
    let removed = containerd.ctr(&["task", "rm", "c1"]).output().unwrap();
    assert!(text(&removed.stderr).contains("exit code 9"), "{removed:?}");
    containerd.ok(&["container", "rm", "c1"]);
    assert_eq!(containerd.bundles(), Vec::<String>::new());

    poll("the last event is there", || events.topics().contains(&"delete".to_owned()));
    let topics = [
        "create",
        "start",
        "exec-added",
        "exec-started",
        "exit",
        "exec-added",
        "exec-started",
        "exit",
        "paused",
        "resumed",
        "exit",
        "delete",
    ];
    assert_eq!(events.topics(), topics);
    assert!(events.text().contains(&format!(
        "/tasks/exit {{\"container_id\":\"c1\",\"id\":\"c1\",\"pid\":{pid},\"exit_status\":9,"
    )));
}

#[test]
fn what_a_container_uses_is_told_and_a_lack_of_memory_as_well() {
    let containerd = containerd();
    let events = containerd.events();
    let script = "seq 1 2000000 > /dev/null; while [ ! -e /go ]; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=100M";
    containerd.run_detached(&["--memory-limit", "30000000"], "c1", script);
    let metrics = || containerd.ok(&["task", "metrics", "c1"]);
    let number = |name: &str| -> u64 {
        let text = metrics();
        let row = |line: &str| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok();
        text.lines().find_map(row).unwrap_or_else(|| panic!("{name} in {text}"))
    };
    // Rounded down to pages.
    assert_eq!(number("memory.usage_in_bytes") / 30_000_000, 0);
    assert!(metrics().contains("29999104") || metrics().contains("30000000"), "{}", metrics());
    poll("it has used some time", || number("cpuacct.usage") > 50_000_000);
    assert!(number("pids.current") > 0);

    containerd.exec("c1", "e1", "echo > /go");
    poll("the end is told", || {
        // The exec's end is an exit, too.
        events.text().contains("\"exit_status\":137") && containerd.tasks()[0].2 == "STOPPED"
    });
    poll("the lack of memory is told", || events.topics().contains(&"oom".to_owned()));
    let text = events.text();
    let position = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} in {text}"));
    let told = position("/tasks/oom {\"container_id\":\"c1\"}");
    assert!(told < position("\"exit_status\":137"), "{text}");
}

#[test]
fn a_terminal_has_the_callers_size() {
    let containerd = containerd();
    // ctr tells the size when the task runs already.
    let script = "until [ \"$(stty size)\" = '33 101' ]; do sleep 0.05; done; echo told; read x; echo \"$x\"; exit 3";
    let mut terminal = containerd.run_in_terminal("c1", script, (33, 101));
    terminal.expect("told");
    terminal.send("typed\r");
    terminal.expect("typed");
    assert_eq!(terminal.wait(), 3);
}

#[test]
fn a_container_outlives_containerd_and_is_found_again() {
    let mut containerd = containerd();
    run_sleeper(&containerd, "c1");
    run_sleeper(&containerd, "c2");
    let tasks = containerd.tasks();
    containerd.stop();
    let second = tasks.iter().find(|task| task.0 == "c2").unwrap().1;
    assert!(tasks.iter().all(|task| is_running(task.1)));
    // This one ends while nobody looks.
    send(second, Signal::TERM);
    poll("the second container has ended", || !is_running(second));

    containerd.start_again();
    let mut expected = tasks.clone();
    for task in expected.iter_mut().filter(|task| task.0 == "c2") {
        "STOPPED".clone_into(&mut task.2);
    }
    assert_eq!(containerd.tasks(), expected);
    let output = containerd.exec("c1", "e1", "echo again");
    assert_eq!(text(&output.stdout), "again\n", "{output:?}");
    let removed = containerd.ctr(&["task", "rm", "c2"]).output().unwrap();
    assert!(text(&removed.stderr).contains("exit code 9"), "{removed:?}");
    // Events go to the new one.
    let events = containerd.events();
    containerd.ok(&["task", "kill", "--signal", "SIGKILL", "c1"]);
    poll("the end is told", || events.text().contains("\"exit_status\":137"));
    containerd.ok(&["container", "rm", "c2"]);
}

#[test]
fn a_shim_that_is_killed_is_cleaned_up_after_by_containerd() {
    let containerd = containerd();
    let events = containerd.events();
    run_sleeper(&containerd, "c1");
    let task = containerd.tasks()[0].1;
    let shims = Shims::new().unwrap();
    let shim = shims.connect(&containerd.bundle("c1"), "c1").unwrap();
    send(shim.identify().unwrap().shim_pid, Signal::KILL);
    poll("the task is gone", || containerd.tasks().is_empty());
    poll("its process is gone", || !is_running(task));
    poll("its end is told", || events.text().contains("\"exit_status\":137"));
    assert_eq!(containerd.bundles(), Vec::<String>::new());
}

#[test]
fn containerds_own_options_choose_another_runtime() {
    let containerd = Containerd::start(Under::ShimForRunc(binary()));
    let runc = ["--runc-binary", "runc"];
    let flags = [&["--rm"], &runc[..]].concat();
    let output = containerd.run(&flags, "c1", "echo out; echo err >&2; exit 7");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n", "err\n"));

    let root = containerd.path().join("records");
    let flags = [&runc[..], &["--runc-root", root.to_str().unwrap()]].concat();
    containerd.run_detached(&flags, "c2", "exec sleep 100");
    assert!(root.join("gantry-tests/c2/state.json").exists());
    let output = containerd.exec("c2", "e1", "echo in an exec; exit 3");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(text(&output.stdout), "in an exec\n");
    containerd.ok(&["task", "pause", "c2"]);
    containerd.ok(&["task", "resume", "c2"]);
    assert!(containerd.ok(&["task", "metrics", "c2"]).contains("pids.current"));
    containerd.ok(&["task", "kill", "--signal", "SIGKILL", "c2"]);
    poll("the task has stopped", || containerd.tasks()[0].2 == "STOPPED");
    drop(containerd.ctr(&["task", "rm", "c2"]).output().unwrap());
    assert!(!root.join("gantry-tests/c2").exists());
    containerd.ok(&["container", "rm", "c2"]);
    assert_eq!(containerd.bundles(), Vec::<String>::new());
}

#[test]
fn a_pod_has_one_shim() {
    let containerd = containerd();
    let pod = ["--annotation", "io.kubernetes.cri.sandbox-id=pod"];
    for id in ["c1", "c2"] {
        containerd.run_detached(&pod, id, "exec sleep 100");
    }
    containerd.run_detached(&[], "alone", "exec sleep 100");
    let shims = Shims::new().unwrap();
    let shim =
        |id: &str| shims.connect(&containerd.bundle(id), id).unwrap().identify().unwrap().shim_pid;
    let pod = shim("c1");
    assert!(pod == shim("c2") && pod != shim("alone"));
    assert_eq!(text(&containerd.exec("c2", "e1", "echo hello").stdout), "hello\n");
    for id in ["c1", "c2"] {
        containerd.ok(&["task", "kill", "--signal", "SIGKILL", id]);
        poll("the task has stopped", || {
            containerd.tasks().iter().any(|task| task.0 == id && task.2 == "STOPPED")
        });
        drop(containerd.ctr(&["task", "rm", id]).output().unwrap());
        containerd.ok(&["container", "rm", id]);
        assert_eq!(is_running(pod), id == "c1");
    }
    assert_eq!(containerd.bundles(), ["alone"]);
}

#[test]
fn a_pod_outlives_containerd() {
    let mut containerd = containerd();
    let pod = ["--annotation", "io.containerd.runc.v2.group=pod"];
    for id in ["c1", "c2"] {
        containerd.run_detached(&pod, id, "exec sleep 100");
    }
    let tasks = containerd.tasks();
    containerd.stop();
    containerd.start_again();
    assert_eq!(containerd.tasks(), tasks);
    // The shim of both dies: containerd cleans up after both.
    let shims = Shims::new().unwrap();
    let shim = shims.connect(&containerd.bundle("c1"), "c1").unwrap();
    send(shim.identify().unwrap().shim_pid, Signal::KILL);
    poll("the tasks are gone", || containerd.tasks().is_empty());
    poll("their processes are gone", || tasks.iter().all(|task| !is_running(task.1)));
    poll("their bundles are gone", || containerd.bundles().is_empty());
}

#[test]
fn a_log_uri_names_a_logger() {
    let containerd = containerd();
    let program = containerd.path().join("logger");
    let log = containerd.path().join("log");
    let script = "#!/bin/sh\nexec 5>&-\ncat <&3 >\"$2\" &\ncat <&4 >\"$2.err\"\nwait\n\
                  echo \"$CONTAINER_NAMESPACE $CONTAINER_ID\" >>\"$2\"\n";
    std::fs::write(&program, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let uri = format!("binary://{}?file={}", program.display(), log.display());
    containerd.run_detached(&["--log-uri", &uri], "c1", "seq 1 10000; echo err >&2; exit 3");
    poll("the task has stopped", || containerd.tasks()[0].2 == "STOPPED");
    drop(containerd.ctr(&["task", "rm", "c1"]).output().unwrap());
    // The logger has ended before the task was gone. (It has no PATH: the shell has one of its own.)
    let expected = crate::container::numbers(10_000) + "gantry-tests c1\n";
    assert!(std::fs::read_to_string(&log).unwrap() == expected);
    assert_eq!(std::fs::read_to_string(log.with_extension("err")).unwrap(), "err\n");
    containerd.ok(&["container", "rm", "c1"]);
}
