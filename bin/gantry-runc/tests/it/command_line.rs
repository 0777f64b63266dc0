//! Flags, messages and documents that callers of runc depend on.

use std::fs;

use serde_json::Value;

use crate::bed::Bed;

#[test]
fn mistakes_are_named() {
    let bed = Bed::new();
    for (args, words) in [
        (&["frobnicate"][..], "unknown command \"frobnicate\""),
        (&["run", "--frob", "x"], "run: unknown flag \"--frob\""),
        (&["--frob", "list"], "unknown flag \"--frob\""),
        (&["state"], "one container id"),
        (&["state", "nope"], "container does not exist"),
        (&["kill", "nope", "SIGFROB"], "unknown signal \"SIGFROB\""),
        (&["list", "--format", "xml"], "not \"xml\""),
        (&["exec", "nope"], "exec takes a command"),
        (&["--log-format", "xml", "list"], "not \"xml\""),
        (&["run", "--preserve-fds", "many", "x"], "is not a number"),
    ] {
        let message = bed.err(args);
        assert!(message.contains(words), "{args:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn the_signal_0_asks_whether_somebody_is_there() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").write_config();
    bed.ok(&["create", &bed.id]);
    bed.ok(&["kill", &bed.id, "0"]);
    bed.ok(&["start", &bed.id]);
    bed.ok(&["kill", &bed.id, "0"]);
    bed.ok(&["kill", "--all", &bed.id, "0"]);
    bed.ok(&["kill", &bed.id, "KILL"]);
    bed.wait_for_status("stopped");
    for args in [&["kill", &bed.id, "0"][..], &["kill", "--all", &bed.id, "0"]] {
        assert!(bed.err(args).contains("container not running"), "{args:?}");
    }
    assert!(bed.err(&["kill", "nope", "0"]).contains("container does not exist"));
}

#[test]
fn ps_takes_the_options_of_the_hosts() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000").start();
    let pid = bed.state()["pid"].to_string();
    let table = bed.ok(&["ps", &bed.id, "-ef"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert_eq!((rows[0][0], rows[0][1]), ("UID", "PID"), "{table}");
    assert_eq!((rows[1][0], rows[1][1]), ("root", pid.as_str()), "{table}");
    let table = bed.ok(&["ps", "--format", "table", &bed.id, "-e", "-o", "args,pid"]);
    assert!(table.contains("COMMAND") && !table.contains("gantry-runc"), "{table}");
    let pids = bed.ok(&["ps", "--format", "json", &bed.id, "-ef"]);
    assert_eq!(
        serde_json::from_str::<Value>(&pids).unwrap(),
        serde_json::json!([bed.state()["pid"]])
    );
    assert!(bed.err(&["ps", &bed.id, "-e", "-o", "args"]).contains("no column PID"));
    assert!(bed.err(&["ps", &bed.id, "--frob"]).contains("ps --frob: "));
}

#[test]
fn the_last_line_of_the_log_is_the_error_as_json() {
    let bed = Bed::new();
    let log = bed.dir.path().join("log.json");
    let path = log.to_str().unwrap();
    bed.err(&["--log", path, "--log-format", "json", "--debug", "state", "nope"]);
    let text = fs::read_to_string(&log).unwrap();
    let line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(line["level"], "error");
    assert!(line["msg"].as_str().unwrap().contains("container does not exist"), "{line}");
    assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
}

#[test]
fn spec_writes_a_document_that_runs() {
    let mut bed = Bed::new();
    bed.ok(&["spec"]);
    assert!(bed.err(&["spec"]).contains("config.json"), "an existing document was overwritten");
    let text = fs::read_to_string(bed.bundle().join("config.json")).unwrap();
    let own = bed.config["linux"]["cgroupsPath"].clone();
    bed.config = serde_json::from_str(&text).unwrap();
    bed.set("/linux/cgroupsPath", own);
    bed.set("/process/terminal", false.into());
    bed.set("/process/env", serde_json::json!(["PATH=/bin"]));
    bed.script("hostname");
    assert_eq!(bed.run(), "gantry\n");
    bed.check_nothing_left();
}

#[test]
fn version_and_features_tell_what_this_is() {
    let bed = Bed::new();
    let version = bed.ok(&["--version"]);
    assert!(version.contains("\ncommit: v") && version.contains("spec: 1.3.0"), "{version}");
    let features: Value = serde_json::from_str(&bed.ok(&["features"])).unwrap();
    assert_eq!(features["linux"]["seccomp"]["enabled"], true);
    assert!(features["mountOptions"].as_array().unwrap().contains(&"rro".into()));
    assert!(bed.ok(&["--help"]).contains("Commands:"));
}

#[test]
fn update_changes_limits() {
    let mut bed = Bed::new();
    bed.script("exec sleep 1000");
    bed.start();
    let file = bed.dir.path().join("resources.json");
    fs::write(&file, r#"{"pids": {"limit": 55}}"#).unwrap();
    bed.ok(&["update", "--resources", file.to_str().unwrap(), &bed.id]);
    let path = format!("/sys/fs/cgroup/pids{}/{}/pids.max", bed.cgroup, bed.id);
    assert_eq!(fs::read_to_string(&path).unwrap(), "55\n");
    bed.ok(&["update", "--pids-limit", "66", "--memory", "64m", &bed.id]);
    assert_eq!(fs::read_to_string(path).unwrap(), "66\n");
    let path = format!("/sys/fs/cgroup/memory{}/{}/memory.limit_in_bytes", bed.cgroup, bed.id);
    assert_eq!(fs::read_to_string(path).unwrap(), "67108864\n");
    assert!(bed.err(&["update", "--memory", "lots", &bed.id]).contains("\"lots\""));
}
