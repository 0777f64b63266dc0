//! Other runtimes: programs with runc's command line, known to the daemon by name.

use std::fs;
use std::path::Path;

use gantry_testkit::{Binaries, Daemon, Options, busybox};

/// A daemon that knows three other runtimes, all of them one program that notes in `note` that it was asked, so that
/// nobody else can have done the work.
fn daemon_with_others(folder: &Path, note: &Path) -> Daemon {
    let (file, program) = (folder.join("daemon.json"), folder.join("other"));
    let runc = Binaries::find().path("gantry-runc");
    let script =
        format!("#!/bin/sh\necho \"$@\" >>{}\nexec {} \"$@\"\n", note.display(), runc.display());
    fs::write(&program, script).unwrap();
    std::process::Command::new("chmod").arg("755").arg(&program).status().unwrap();
    let root = folder.join("state");
    let settings = serde_json::json!({
        "runtimes": {
            "other": {"path": program},
            "wordy": {"path": program, "runtimeArgs": ["--debug"]},
            "typed": {"runtimeType": "io.containerd.runc.v2",
                      "options": {"BinaryName": program, "Root": root}},
        }
    });
    fs::write(&file, settings.to_string()).unwrap();
    let flags = vec!["--config-file".to_owned(), file.display().to_string()];
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    daemon.load(&busybox());
    daemon
}

#[test]
fn a_container_asks_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("note");
    let daemon = daemon_with_others(folder.path(), &note);
    let run = |runtime: &str, flags: &[&str], command: &[&str]| {
        let words = [
            &["run", "--rm", "--network", "none", "--runtime", runtime],
            flags,
            &["busybox"],
            command,
        ]
        .concat();
        daemon.gantry(&words).run()
    };
    for runtime in ["other", "wordy", "typed"] {
        assert_eq!(run(runtime, &[], &["echo", "hello"]).success(), "hello", "{runtime}");
        let asked = fs::read_to_string(&note).unwrap();
        assert!(asked.contains("create") && asked.contains("delete"), "{asked}");
        assert_eq!(asked.contains("--debug"), runtime == "wordy", "{asked}");
        fs::remove_file(&note).unwrap();
    }
    // A user by name is one by number there.
    assert_eq!(run("other", &["-u", "app"], &["id", "-un"]).success(), "app");
    run("other", &["-u", "nobody-of-that-name"], &["true"]).exits(125).plainly();
    run("other", &[], &["sh", "-c", "exit 7"]).exits(7);
    run("other", &[], &["no-such-program"]).exits(127);
    run("nonsense", &[], &["true"])
        .exits(125)
        .plainly()
        .complains("unknown or invalid runtime name: nonsense");
    // A life: exec, limits, a kill.
    daemon.ok(&[
        "run",
        "-d",
        "--network",
        "none",
        "--runtime",
        "other",
        "--name",
        "long",
        "-u",
        "app",
        "busybox",
        "sleep",
        "1000",
    ]);
    assert_eq!(daemon.inspect("long")["HostConfig"]["Runtime"], "other");
    assert_eq!(daemon.ok(&["exec", "long", "id", "-un"]), "app");
    assert_eq!(daemon.ok(&["exec", "-u", "root", "long", "id", "-un"]), "root");
    daemon.ok(&["update", "--pids-limit", "30", "long"]);
    daemon.ok(&["kill", "long"]);
    daemon.await_status("long", "exited");
    assert_eq!(daemon.inspect("long")["State"]["ExitCode"], 137);
    daemon.remove(&["long"]);
    shares_memory(&daemon);
    let info = daemon.http("GET", "/info", &[]).json();
    assert_eq!(info["Runtimes"]["wordy"]["runtimeArgs"], serde_json::json!(["--debug"]));
    assert_eq!(info["DefaultRuntime"], "gantry");
    // Nothing stays mounted.
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(daemon.exec_root().to_str().unwrap()), "{mounts}");
}

/// What is mounted for that while the container is made goes again, and the root, where users are looked up, stays.
fn shares_memory(daemon: &Daemon) {
    let run = |name: &str, flags: &[&str]| {
        let fixed = ["run", "-d", "--network", "none", "--name", name];
        daemon.ok(&[&fixed[..], flags, &["busybox", "sleep", "1000"]].concat());
    };
    run("giver", &["--ipc", "shareable"]);
    daemon.ok(&["exec", "giver", "sh", "-c", "echo shared >/dev/shm/note"]);
    run("taker", &["--runtime", "other", "--ipc", "container:giver"]);
    assert_eq!(daemon.ok(&["exec", "-u", "app", "taker", "id", "-un"]), "app");
    assert_eq!(daemon.ok(&["exec", "taker", "cat", "/dev/shm/note"]), "shared");
    daemon.remove(&["taker", "giver"]);
}
