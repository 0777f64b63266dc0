//! The daemon stops or dies while containers run: they run on, and the next daemon finds them with nothing lost.

use gantry_testkit::{Daemon, Options, busybox, poll};

/// A container that counts a line every 20 ms and ends with 5 at USR1.
const COUNTER: &str = r#"trap end=1 USR1; i=0; while [ ! "$end" ]; do i=$((i+1)); echo $i; sleep 0.02; done; echo the end; exit 5"#;

fn with_counter() -> Daemon {
    let daemon = Daemon::with_busybox();
    daemon.ok(&[
        "run",
        "-d",
        "--name",
        "counter",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        COUNTER,
    ]);
    poll("the first lines", || daemon.ok(&["logs", "counter"]).contains("3\n").then_some(()));
    daemon
}

/// Asserts that the log holds every number once and in order; returns the last.
fn assert_complete(log: &str) -> usize {
    let numbers: Vec<&str> = log.lines().filter(|line| *line != "the end").collect();
    for (index, number) in numbers.iter().enumerate() {
        assert_eq!(number.parse(), Ok(index + 1), "a line was lost or doubled");
    }
    numbers.len()
}

fn found_again(daemon: &Daemon) {
    let pid = daemon.inspect("counter")["State"]["Pid"].clone();
    assert_ne!(pid, 0);
    let lines = assert_complete(&daemon.ok(&["logs", "counter"]));
    poll("it to count on", || {
        (daemon.ok(&["logs", "counter"]).lines().count() > lines).then_some(())
    });
    assert_eq!(daemon.ok(&["exec", "counter", "echo", "reached"]), "reached");
    daemon.ok(&["kill", "--signal", "USR1", "counter"]);
    assert_eq!(daemon.ok(&["wait", "counter"]), "5");
    let log = daemon.ok(&["logs", "counter"]);
    assert!(log.ends_with("the end"), "{log}");
    assert_complete(&log);
    daemon.ok(&["rm", "counter"]);
}

#[test]
fn after_an_orderly_stop() {
    let daemon = with_counter();
    let pid = daemon.inspect("counter")["State"]["Pid"].clone();
    assert_eq!(daemon.stop(), Some(0));
    assert!(!daemon.socket().exists(), "an orderly stop takes its socket away");
    daemon.start_again();
    assert_eq!(daemon.inspect("counter")["State"]["Pid"], pid);
    found_again(&daemon);
}

#[test]
fn after_a_kill() {
    let daemon = with_counter();
    daemon.kill();
    daemon.start_again();
    found_again(&daemon);
}

/// Runs a container that comes to its `end`, a command, while there is no daemon.
fn ended_alone(flags: &[&str], end: &str) -> Daemon {
    let daemon = Daemon::with_busybox();
    let script = format!("trap '{end}' USR1; echo ready; while :; do sleep 0.02; done");
    let begin = ["run", "-d", "--name", "alone", "--network", "none"];
    daemon.ok(&[&begin, flags, &["busybox", "sh", "-c", &script]].concat());
    poll("the trap", || daemon.ok(&["logs", "alone"]).contains("ready").then_some(()));
    let pid = daemon.inspect("alone")["State"]["Pid"].as_i64().unwrap();
    daemon.stop();
    let process = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::USR1).unwrap();
    poll("the container to end", || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
    daemon.start_again();
    daemon.await_status("alone", "exited");
    daemon
}

#[test]
fn an_end_without_a_daemon_is_told_later() {
    let daemon = ended_alone(&[], "echo last words; exit 44");
    assert_eq!(daemon.inspect("alone")["State"]["ExitCode"], 44);
    assert_eq!(daemon.ok(&["logs", "alone"]), "ready\nlast words");
    daemon.ok(&["rm", "alone"]);
}

#[test]
fn a_lack_of_memory_without_a_daemon_is_told_later() {
    let limits = ["-m", "16m", "--memory-swap", "16m"];
    let daemon = ended_alone(&limits, "exec tail /dev/zero");
    let state = &daemon.inspect("alone")["State"];
    assert_eq!((&state["OOMKilled"], &state["ExitCode"]), (&true.into(), &137.into()));
    daemon.ok(&["rm", "alone"]);
}

#[test]
fn a_container_that_goes_on_is_not_said_to_be_paused() {
    let environment = vec![("GANTRY_FAIL_AT".to_owned(), "die:unpause-record".to_owned())];
    let daemon = Daemon::start_with(Options { environment, ..Options::default() });
    daemon.load(&busybox());
    daemon.ok(&[
        "run",
        "-d",
        "--name",
        "counter",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        COUNTER,
    ]);
    daemon.ok(&["pause", "counter"]);
    assert_ne!(daemon.gantry(&["unpause", "counter"]).run().code, 0);
    daemon.kill();
    daemon.start_again();
    assert_eq!(daemon.inspect("counter")["State"]["Status"], "running");
    found_again(&daemon);
}

/// A daemon that dies at this step of every start, and a container that was being started then.
fn dies_while_it_starts(step: &str) -> Daemon {
    let environment = vec![("GANTRY_FAIL_AT".to_owned(), format!("die:{step}"))];
    let daemon = Daemon::start_with(Options { environment, ..Options::default() });
    daemon.load(&busybox());
    let own = ["create", "--name", "counter", "-v", "kept:/kept", "busybox", "sh", "-c", COUNTER];
    daemon.ok(&own);
    assert_ne!(daemon.gantry(&["start", "counter"]).run().code, 0);
    daemon.kill();
    daemon.start_again();
    daemon
}

#[test]
fn a_container_whose_start_nobody_wrote_down_goes_on() {
    let daemon = dies_while_it_starts("start-record");
    assert_eq!(daemon.inspect("counter")["State"]["Status"], "running");
    // Its volume is in use.
    daemon.gantry(&["volume", "rm", "kept"]).run().exits(1);
    found_again(&daemon);
    daemon.ok(&["volume", "rm", "kept"]);
}

#[test]
fn a_container_that_never_ran_is_as_it_was() {
    let daemon = dies_while_it_starts("start-process");
    let state = daemon.inspect("counter")["State"].clone();
    assert_eq!(
        (&state["Status"], &state["Pid"], &state["ExitCode"]),
        (&"created".into(), &0.into(), &0.into())
    );
    assert_eq!(daemon.ok(&["ps", "-q"]), "");
    assert_eq!(daemon.ok(&["logs", "counter"]), "");
    let bundles = std::fs::read_dir(daemon.exec_root().join("containers")).unwrap().flatten();
    let left: Vec<_> = bundles
        .map(|entry| entry.file_name())
        .filter(|name| !name.to_string_lossy().starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    daemon.ok(&["rm", "counter"]);
    daemon.ok(&["volume", "rm", "kept"]);
}

#[test]
fn rm_is_kept_over_a_restart() {
    let daemon = Daemon::with_busybox();
    let before = daemon.snapshot();
    daemon.ok(&[
        "run",
        "-d",
        "--rm",
        "--name",
        "brief",
        "--network",
        "none",
        "busybox",
        "sleep",
        "1000",
    ]);
    daemon.kill();
    daemon.start_again();
    daemon.ok(&["kill", "brief"]);
    poll("it to be removed", || daemon.ok(&["ps", "-aq"]).is_empty().then_some(()));
    before.assert_same_things_as(&daemon);
}

#[test]
fn terminals_are_found_again() {
    let daemon = Daemon::with_busybox();
    daemon.ok(&["run", "-dit", "--name", "shell", "--network", "none", "busybox", "sh"]);
    daemon.kill();
    daemon.start_again();
    let mut terminal = daemon.gantry(&["attach", "shell"]).terminal(24, 80);
    terminal.send("echo still $((20+2))\r");
    terminal.expect("still 22");
    terminal.send("exit 3\r");
    assert_eq!(terminal.wait(), 3);
}

#[test]
fn a_stale_socket_and_pid_file_are_no_obstacle() {
    let daemon = Daemon::start();
    daemon.kill();
    assert!(daemon.socket().exists());
    daemon.start_again();
    daemon.ok(&["run", "--rm", "hello-world"]);
}

#[test]
fn a_shim_that_dies_takes_its_container_along() {
    let daemon = Daemon::with_busybox();
    let id = daemon.ok(&[
        "run",
        "-d",
        "--name",
        "orphan",
        "--network",
        "none",
        "busybox",
        "sleep",
        "1000",
    ]);
    let pid = daemon.inspect("orphan")["State"]["Pid"].as_i64().unwrap();
    let shim = shim_of(&daemon, "orphan");
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    daemon.await_status("orphan", "exited");
    assert_eq!(daemon.inspect("orphan")["State"]["ExitCode"], 137, "{id}");
    poll("the container's process to end", || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
    daemon.ok(&["start", "orphan"]);
    daemon.await_status("orphan", "running");
    // While nobody looks, it is as if the machine had gone down.
    let shim = shim_of(&daemon, "orphan");
    daemon.kill();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    daemon.start_again();
    daemon.await_status("orphan", "exited");
    assert_eq!(daemon.inspect("orphan")["State"]["ExitCode"], 255);
    assert!(daemon.ok(&["ps", "-a"]).contains("Exited (255)"));
    daemon.remove(&["orphan"]);
}

fn shim_of(daemon: &Daemon, name: &str) -> rustix::process::Pid {
    let pid = daemon.inspect(name)["State"]["Pid"].as_i64().unwrap();
    i32::try_from(parent_of(pid)).ok().and_then(rustix::process::Pid::from_raw).unwrap()
}

fn parent_of(pid: i64) -> i64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    after_name.split(' ').nth(1).unwrap().parse().unwrap()
}
