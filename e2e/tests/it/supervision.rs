//! Restart policies, pauses, updates and health checks: what the daemon does for containers that nobody looks at.

use gantry_testkit::{Daemon, Options, busybox, poll};
use serde_json::Value;

use crate::shared::{detached, shared, unique};

fn state(daemon: &Daemon, name: &str) -> Value {
    daemon.inspect(name)["State"].clone()
}

/// What has happened to a container so far, without what its processes and probes did.
fn actions(daemon: &Daemon, name: &str) -> Vec<String> {
    let filter = format!("container={name}");
    let words = ["events", "--since", "0.000000001", "--until", "0s", "--filter", &filter];
    let lines = daemon.ok(&[&words[..], &["--format", "{{.Action}}"]].concat());
    lines.lines().filter(|action| !action.starts_with("exec_")).map(str::to_owned).collect()
}

/// What the processes of a container's execs did.
fn actions_of_execs(daemon: &Daemon, name: &str) -> Vec<String> {
    let filter = format!("container={name}");
    let words = ["events", "--since", "0.000000001", "--until", "0s", "--filter", &filter];
    let lines = daemon.ok(&[&words[..], &["--format", "{{.Action}}"]].concat());
    lines.lines().filter(|action| action.starts_with("exec_")).map(str::to_owned).collect()
}

#[test]
fn a_policy_starts_again_until_somebody_stops() {
    let name = unique("always");
    detached(&name, &["--restart", "always"], &["sh", "-c", "exit 3"]);
    poll("three starts", || {
        (shared().inspect(&name)["RestartCount"].as_i64() >= Some(3)).then_some(())
    });
    shared().await_status(&name, "restarting");
    let state = state(shared(), &name);
    assert_eq!((&state["Running"], &state["Restarting"]), (&true.into(), &true.into()), "{state}");
    assert!(shared().ok(&["ps", "--filter", &format!("name={name}")]).contains("Restarting (3)"));
    shared().gantry(&["exec", &name, "true"]).run().exits(1).complains("is restarting");
    shared().gantry(&["rm", &name]).run().exits(1).complains("running");
    shared().ok(&["stop", &name]);
    assert_eq!(shared().inspect(&name)["State"]["Status"], "exited");
    let actions = actions(shared(), &name);
    assert_eq!(actions[..5], ["create", "start", "die", "start", "die"], "{actions:?}");
    assert!(!actions.iter().any(|action| action == "restart"), "{actions:?}");
    shared().remove(&[&name]);
}

#[test]
fn on_failure_counts() {
    let (bad, good) = (unique("on-failure"), unique("on-success"));
    detached(&bad, &["--restart", "on-failure:2"], &["false"]);
    detached(&good, &["--restart", "on-failure"], &["true"]);
    poll("it to be given up", || {
        (state(shared(), &bad)["Status"] == "exited" && shared().inspect(&bad)["RestartCount"] == 2)
            .then_some(())
    });
    assert_eq!(shared().ok(&["wait", &good]), "0");
    assert_eq!(shared().inspect(&good)["RestartCount"], 0);
    shared().remove(&[&bad, &good]);
}

#[test]
fn an_end_that_somebody_wants_is_one() {
    let name = unique("wanted");
    detached(&name, &["--restart", "always"], &["sleep", "1000"]);
    shared().ok(&["kill", &name]);
    assert_eq!(state(shared(), &name)["Status"], "exited");
    assert_eq!(actions(shared(), &name), ["create", "start", "kill", "die"]);
    shared().ok(&["restart", "-t", "0", &name]);
    assert_eq!(state(shared(), &name)["Status"], "running");
    assert_eq!(actions(shared(), &name)[4..], ["start", "restart"]);
    shared().ok(&["restart", "-t", "0", &name]);
    let actions = actions(shared(), &name);
    assert_eq!(actions[6..].first().map(String::as_str), Some("kill"), "{actions:?}");
    let (all, stop) = (actions.len(), "stop".to_owned());
    assert_eq!(actions[all - 2..], ["start", "restart"], "{actions:?}");
    assert!(actions[6..all - 2].contains(&stop), "{actions:?}");
    shared().remove(&[&name]);
}

#[test]
fn policies_that_make_no_sense_are_refused() {
    for (flags, words) in [
        (&["--restart", "sometimes"][..], "unknown policy 'sometimes'"),
        (&["--restart", "always:3"], "maximum retry count"),
        (&["--restart", "on-failure:-1"], "cannot be negative"),
        (&["--rm", "--restart", "always"], "--restart and --rm"),
    ] {
        let arguments = [&["create", "--network", "none"], flags, &["busybox", "true"]].concat();
        let outcome = shared().gantry(&arguments).run();
        assert_ne!(outcome.code, 0, "{flags:?}");
        outcome.complains(words);
    }
}

#[test]
fn the_next_daemon_starts_what_should_run() {
    let daemon = Daemon::with_busybox();
    let run = |name: &str, policy: &str, command: &[&str]| {
        let words =
            ["run", "-d", "--network", "none", "--name", name, "--restart", policy, "busybox"];
        daemon.ok(&[&words[..], command].concat());
    };
    run("always", "always", &["sleep", "1000"]);
    run("stopped", "unless-stopped", &["sleep", "1000"]);
    run("lost", "unless-stopped", &["sleep", "1000"]);
    run("once", "no", &["sleep", "1000"]);
    daemon.ok(&["stop", "-t", "0", "always", "stopped"]);
    let pids = ["lost", "once"].map(|name| state(&daemon, name)["Pid"].as_i64().unwrap());
    daemon.kill();
    // As when the machine goes down: the processes end while no daemon looks.
    for pid in pids {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    daemon.start_again();
    daemon.await_status("always", "running");
    daemon.await_status("lost", "running");
    daemon.await_status("once", "exited");
    assert_eq!(state(&daemon, "stopped")["Status"], "exited");
    assert_eq!(daemon.inspect("lost")["RestartCount"], 1);
}

#[test]
fn a_stop_holds_although_the_daemon_dies_in_it() {
    let daemon = Daemon::with_busybox();
    let words = ["run", "-d", "--network", "none", "--name", "one", "--restart", "unless-stopped"];
    let command = ["busybox", "sh", "-c", "trap : TERM; while :; do sleep 1; done"];
    daemon.ok(&[&words[..], &command].concat());
    let pid = state(&daemon, "one")["Pid"].as_i64().unwrap();
    std::thread::scope(|scope| {
        // The daemon's end is this one's.
        scope.spawn(|| daemon.gantry(&["stop", "-t", "600", "one"]).run());
        poll("the stop", || actions(&daemon, "one").contains(&"kill".to_owned()).then_some(()));
        daemon.kill();
    });
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    daemon.start_again();
    daemon.await_status("one", "exited");
    assert_eq!(daemon.inspect("one")["RestartCount"], 0);
    // A start takes the memory of the stop away.
    daemon.ok(&["start", "one"]);
    let pid = state(&daemon, "one")["Pid"].as_i64().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    poll("the policy", || (daemon.inspect("one")["RestartCount"] == 1).then_some(()));
}

#[test]
fn a_default_wait_ends_with_the_run() {
    let name = unique("waited");
    detached(&name, &["--restart", "always"], &["sh", "-c", "sleep 2; exit 3"]);
    assert_eq!(shared().ok(&["wait", &name]), "3");
    shared().ok(&["rm", "-f", &name]);
}

#[test]
fn a_forced_removal_wins_over_a_policy_s_starts() {
    for _ in 0..5 {
        let name = unique("forced");
        detached(&name, &["--restart", "always"], &["true"]);
        poll("a restart", || {
            (shared().inspect(&name)["RestartCount"].as_i64() >= Some(1)).then_some(())
        });
        shared().ok(&["rm", "-f", &name]);
    }
}

#[test]
fn what_stands_still_can_be_ended_at_once() {
    // The runtime may have let it go on when the daemon comes to it.
    for end in [&["kill"][..], &["rm", "-f"], &["stop", "-t", "0"]].repeat(5) {
        let name = unique("still");
        detached(&name, &[], &["sleep", "1000"]);
        shared().ok(&["pause", &name]);
        shared().ok(&[end, &[&name]].concat());
        shared().ok(&["rm", "-f", &name]);
    }
}

#[test]
fn a_paused_container_stands_still() {
    let name = unique("pause");
    let script = "while :; do echo x; sleep 0.01; done";
    detached(&name, &[], &["sh", "-c", script]);
    shared().ok(&["pause", &name]);
    let paused = state(shared(), &name);
    assert_eq!((&paused["Status"], &paused["Paused"]), (&"paused".into(), &true.into()));
    assert!(shared().ok(&["ps"]).contains("(Paused)"));
    let lines = || shared().ok(&["logs", &name]).lines().count();
    let before = lines();
    shared().gantry(&["pause", &name]).run().exits(1).complains("already paused");
    shared().gantry(&["exec", &name, "true"]).run().exits(1).complains("is paused");
    let error = shared().http("POST", &format!("/containers/{name}/start"), &[]).error(409);
    assert_eq!(error, "cannot start a paused container, try unpause instead");
    assert_eq!(lines(), before);
    shared().ok(&["unpause", &name]);
    poll("it to go on", || (lines() > before).then_some(()));
    shared().gantry(&["unpause", &name]).run().exits(1).complains("is not paused");
    shared().ok(&["pause", &name]);
    shared().ok(&["stop", "-t", "0", &name]);
    assert_eq!(state(shared(), &name)["Status"], "exited");
    let actions = actions(shared(), &name);
    assert_eq!(actions[..5], ["create", "start", "pause", "unpause", "pause"], "{actions:?}");
    shared().remove(&[&name]);
}

#[test]
fn a_pause_that_nobody_wrote_down_is_none() {
    let environment = vec![("GANTRY_FAIL_AT".to_owned(), "pause-record".to_owned())];
    let daemon = Daemon::start_with(Options { environment, ..Options::default() });
    daemon.load(&busybox());
    let script = "while :; do echo x; sleep 0.01; done";
    let run = ["run", "-d", "--network", "none", "--name", "one", "busybox", "sh", "-c", script];
    daemon.ok(&run);
    daemon.gantry(&["pause", "one"]).run().exits(1).complains("pause-record");
    assert_eq!(state(&daemon, "one")["Status"], "running");
    let lines = || daemon.ok(&["logs", "one"]).lines().count();
    let before = lines();
    poll("it to go on", || (lines() > before).then_some(()));
    daemon.remove(&["one"]);
}

#[test]
fn a_pause_outlives_the_daemon() {
    let daemon = Daemon::with_busybox();
    daemon.ok(&["run", "-d", "--network", "none", "--name", "one", "busybox", "sleep", "1000"]);
    daemon.ok(&["pause", "one"]);
    daemon.kill();
    daemon.start_again();
    assert_eq!(state(&daemon, "one")["Status"], "paused");
    daemon.ok(&["unpause", "one"]);
    assert_eq!(daemon.ok(&["exec", "one", "echo", "awake"]), "awake");
}

#[test]
fn limits_change_while_it_runs() {
    let name = unique("update");
    detached(&name, &["-m", "64m", "--pids-limit", "50"], &["sleep", "1000"]);
    let words =
        ["update", "-m", "96m", "--memory-swap", "-1", "--cpus", "0.5", "--pids-limit", "20"];
    assert_eq!(shared().ok(&[&words[..], &["--restart", "always", &name]].concat()), name);
    let host = shared().inspect(&name)["HostConfig"].clone();
    assert_eq!(host["Memory"], 96 << 20);
    assert_eq!((&host["NanoCpus"], &host["PidsLimit"]), (&500_000_000.into(), &20.into()));
    assert_eq!(host["RestartPolicy"]["Name"], "always");
    let stats = shared().http("GET", &format!("/containers/{name}/stats?stream=0&one-shot=1"), &[]);
    let stats = stats.json();
    assert_eq!(stats["memory_stats"]["limit"], 96 << 20, "{stats}");
    assert_eq!(stats["pids_stats"]["limit"], 20, "{stats}");
    shared().gantry(&["update", "-m", "1k", &name]).run().exits(1).complains("6MB");
    shared().gantry(&["update", &name]).run().exits(1).complains("one or more flags");
    shared().remove(&[&name]);
}

#[test]
fn probes_tell_how_a_container_is() {
    let name = unique("health");
    let check = ["--health-cmd", "cat /tmp/well && echo well", "--health-interval", "50ms"];
    let flags = [&check[..], &["--health-retries", "2", "--health-timeout", "5s"]].concat();
    detached(&name, &flags, &["sleep", "1000"]);
    let status = || state(shared(), &name)["Health"]["Status"].as_str().unwrap().to_owned();
    let becomes = |wanted: &str| poll(wanted, || (status() == wanted).then_some(()));
    becomes("unhealthy");
    assert!(shared().ok(&["ps"]).contains("(unhealthy)"));
    shared().ok(&["exec", &name, "touch", "/tmp/well"]);
    becomes("healthy");
    let health = state(shared(), &name)["Health"].clone();
    let log = health["Log"].as_array().unwrap();
    let last = log.last().unwrap();
    assert!(log.len() <= 5 && health["FailingStreak"] == 0, "{health}");
    assert_eq!((&last["ExitCode"], &last["Output"]), (&0.into(), &"well\n".into()));
    let filter = |value: &str| shared().ok(&["ps", "-q", "--no-trunc", "--filter", value]);
    let id = shared().inspect(&name)["Id"].as_str().unwrap().to_owned();
    assert!(filter("health=healthy").contains(&id) && !filter("health=none").contains(&id));
    let actions = actions(shared(), &name);
    let told = ["create", "start", "health_status: unhealthy", "health_status: healthy"];
    assert_eq!(actions, told);
    shared().remove(&[&name]);
}

#[test]
fn a_probe_that_takes_too_long_has_failed() {
    let name = unique("slow-health");
    let check = ["--health-cmd", "sleep 1000", "--health-interval", "20ms"];
    let flags = [&check[..], &["--health-retries", "1", "--health-timeout", "100ms"]].concat();
    detached(&name, &flags, &["sleep", "1000"]);
    let last = poll("a probe", || state(shared(), &name)["Health"]["Log"].get(0).cloned());
    assert_eq!(last["ExitCode"], -1);
    assert_eq!(last["Output"], "Health check exceeded timeout (100ms)");
    // What it began is gone: the container's own process and perhaps the probe that runs now.
    let lines = shared().ok(&["top", &name]).lines().count();
    assert!(lines <= 4, "probes are left behind: {lines} lines");
    shared().remove(&[&name]);
}

#[test]
fn a_probe_does_not_outlive_its_daemon() {
    let daemon = Daemon::with_busybox();
    let words = ["run", "-d", "--network", "none", "--name", "one", "--health-cmd", "sleep 4321"];
    let flags = ["--health-interval", "10s", "--health-start-period", "1h"];
    let flags =
        [&flags[..], &["--health-start-interval", "50ms", "--health-timeout", "1h"]].concat();
    daemon.ok(&[&words[..], &flags, &["busybox", "sleep", "1000"]].concat());
    let probes =
        || daemon.ok(&["top", "one"]).lines().filter(|line| line.contains("sleep 4321")).count();
    poll("a probe", || (probes() > 0).then_some(()));
    daemon.kill();
    daemon.start_again();
    // The next daemon ends it before it has one of its own: a shell, and perhaps what that runs.
    poll("its end", || {
        actions_of_execs(&daemon, "one").contains(&"exec_die".to_owned()).then_some(())
    });
    assert!(probes() <= 2);
}

#[test]
fn who_is_sick_is_restarted_where_a_label_asks_for_it() {
    let name = unique("sick");
    let check = ["--health-cmd", "test ! -e /tmp/sick", "--health-interval", "50ms"];
    let label = ["--health-retries", "1", "--label", "gantry.restart-when-unhealthy=true"];
    detached(&name, &[&check[..], &label].concat(), &["sh", "-c", "rm -f /tmp/sick; sleep 1000"]);
    let pid = || state(shared(), &name)["Pid"].as_i64();
    let first = pid();
    shared().ok(&["exec", &name, "touch", "/tmp/sick"]);
    poll("another process", || (pid() > Some(0) && pid() != first).then_some(()));
    let actions = actions(shared(), &name);
    assert!(actions.contains(&"health_status: unhealthy".to_owned()), "{actions:?}");
    poll("the event", || {
        self::actions(shared(), &name).contains(&"restart".to_owned()).then_some(())
    });
    shared().remove(&[&name]);
}

#[test]
fn a_stop_is_not_undone_by_sickness() {
    let name = unique("sick-stopped");
    let check = ["--health-cmd", "test ! -e /tmp/sick", "--health-interval", "50ms"];
    let label = ["--health-retries", "1", "--label", "gantry.restart-when-unhealthy=true"];
    // Sick as soon as it is to end, which takes it a while.
    let script = "rm -f /tmp/sick; trap 'touch /tmp/sick; sleep 2; exit 0' TERM; while :; do sleep 0.1; done";
    detached(&name, &[&check[..], &label].concat(), &["sh", "-c", script]);
    poll("health", || (state(shared(), &name)["Health"]["Status"] == "healthy").then_some(()));
    shared().ok(&["stop", &name]);
    let actions = actions(shared(), &name);
    assert!(actions.contains(&"health_status: unhealthy".to_owned()), "{actions:?}");
    assert_eq!(actions.iter().filter(|action| *action == "start").count(), 1, "{actions:?}");
    assert_eq!(state(shared(), &name)["Status"], "exited");
    shared().remove(&[&name]);
}

#[test]
fn who_is_restarted_for_sickness_still_removes_itself() {
    let name = unique("sick-rm");
    let check = ["--rm", "--health-cmd", "test ! -e /tmp/sick", "--health-interval", "50ms"];
    let label = ["--health-retries", "1", "--label", "gantry.restart-when-unhealthy=true"];
    let script = "rm -f /tmp/sick; sleep 1000";
    detached(&name, &[&check[..], &["-t"], &label].concat(), &["sh", "-c", script]);
    let id = shared().inspect(&name)["Id"].as_str().unwrap().to_owned();
    shared().ok(&["exec", &name, "touch", "/tmp/sick"]);
    poll("another run", || {
        let starts = actions(shared(), &name);
        (starts.iter().filter(|action| *action == "start").count() >= 2).then_some(())
    });
    shared().ok(&["kill", &name]);
    poll("its removal", || {
        (!shared().ok(&["ps", "-aq", "--no-trunc"]).contains(&id)).then_some(())
    });
}

#[test]
fn health_goes_on_under_the_next_daemon() {
    let daemon = Daemon::with_busybox();
    let words = ["run", "-d", "--network", "none", "--name", "one", "--health-cmd", "true"];
    daemon.ok(&[&words[..], &["--health-interval", "50ms", "busybox", "sleep", "1000"]].concat());
    let probes = |daemon: &Daemon| state(daemon, "one")["Health"]["Log"].clone();
    poll("health", || (state(&daemon, "one")["Health"]["Status"] == "healthy").then_some(()));
    daemon.kill();
    daemon.start_again();
    assert_eq!(state(&daemon, "one")["Health"]["Status"], "healthy");
    let before = probes(&daemon);
    poll("further probes", || (probes(&daemon) != before).then_some(()));
}
