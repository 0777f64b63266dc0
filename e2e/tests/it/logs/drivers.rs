//! Which driver a container gets, what its options may be, and that docker's own command line reads the same.

use gantry_testkit::{Daemon, Options};

use crate::shared::{detached, shared, unique};

#[test]
fn local_is_the_default_and_docker_says_so() {
    let local = unique("default-driver");
    detached(&local, &[], &["echo", "hi"]);
    let inspected = shared().inspect(&local);
    assert_eq!(inspected["HostConfig"]["LogConfig"]["Type"], "local");
    assert_eq!(inspected["LogPath"], "", "nobody else can read it");
    let info = |format: &str| shared().docker(&["info", "-f", format]).run().success();
    assert_eq!(info("{{.LoggingDriver}}"), "local");
    let drivers = info("{{.Plugins.Log}}");
    for driver in ["fluentd", "gelf", "journald", "json-file", "local", "none", "syslog"] {
        assert!(drivers.contains(driver), "{drivers}");
    }
    let name = unique("json-driver");
    detached(&name, &["--log-driver", "json-file"], &["echo", "hi"]);
    shared().ok(&["wait", &name]);
    let path = shared().inspect(&name)["LogPath"].as_str().unwrap().to_owned();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.starts_with("{\"log\":\"hi\\n\",\"stream\":\"stdout\",\"time\":\""), "{text}");
    shared().remove(&[&name, &local]);
}

#[test]
fn the_daemon_s_defaults_are_for_new_containers() {
    let daemon = Daemon::with_busybox();
    let json = ["--log-driver", "json-file", "--name", "old"];
    daemon.ok(&[&["run", "--network", "none"], &json[..], &["busybox", "echo", "kept"]].concat());
    daemon.stop();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daemon.json");
    let options = r#"{"log-driver":"local","log-opts":{"max-size":"7m","max-file":"2"}}"#;
    std::fs::write(&file, options).unwrap();
    let flags = vec!["--config-file".to_owned(), file.display().to_string()];
    let other = Daemon::start_with(Options {
        flags,
        data_root: Some(daemon.data_root()),
        ..Options::default()
    });
    let log = |name: &str| other.inspect(name)["HostConfig"]["LogConfig"].clone();
    other.ok(&["create", "--network", "none", "--name", "new", "busybox", "true"]);
    assert_eq!(log("new")["Type"], "local");
    assert_eq!(log("new")["Config"]["max-size"], "7m");
    assert_eq!(log("old")["Type"], "json-file");
    assert_eq!(other.ok(&["logs", "old"]), "kept");
    other.ok(&["start", "-a", "old"]);
    assert_eq!(other.ok(&["logs", "old"]), "kept\nkept");
    other.remove(&["old", "new"]);
    drop(other);
    std::fs::write(&file, r#"{"log-driver":"local","log-opts":{"nonsense":"1"}}"#).unwrap();
    let flags = vec!["--config-file".to_owned(), file.display().to_string()];
    let refused = Daemon::prepare(Options { flags, ..Options::default() });
    let log = refused.try_start().unwrap_err();
    assert!(log.contains("unknown log opt 'nonsense' for local log driver"), "{log}");
}

#[test]
fn options_that_make_no_sense_are_named() {
    for (driver, option, words) in [
        ("local", "nope=1", "unknown log opt 'nope' for local log driver"),
        ("json-file", "max-size=ten", "invalid value \"ten\" for log option max-size"),
        ("json-file", "max-file=0", "log option max-file"),
        ("local", "max-buffer-size=1m", "needs mode=non-blocking"),
        ("syslog", "syslog-address=ftp://x", "log option syslog-address"),
        ("syslog", "syslog-facility=99", "log option syslog-facility"),
        ("gelf", "gelf-address=udp://h", "port"),
        ("gelf", "tag=x", "gelf-address is needed"),
        ("fluentd", "fluentd-async=maybe", "give true or false"),
        ("journald", "max-size=1m", "unknown log opt 'max-size' for journald log driver"),
        ("awslogs", "awslogs-group=x", "there is no log driver awslogs"),
    ] {
        let flags = ["create", "--network", "none", "--log-driver", driver, "--log-opt", option];
        let outcome = shared().gantry(&[&flags[..], &["busybox"]].concat()).run();
        if driver == "gelf" && option.ends_with("//h") {
            // The port has a default.
            shared().remove(&[outcome.success().trim()]);
            continue;
        }
        outcome.exits(1).plainly().complains(words);
    }
}

/// Both command lines, on the same container.
#[test]
fn docker_s_command_line_prints_the_same() {
    let name = unique("same");
    let flags = ["-l", "tier=front", "--log-opt", "labels=tier", "--log-opt", "tag={{.Name}}"];
    let script = "echo one; echo two >&2; sleep 0.2; echo three; printf 'no end'";
    detached(&name, &flags, &["sh", "-c", script]);
    shared().ok(&["wait", &name]);
    let stamped = shared().ok(&["logs", "-t", &name]);
    let third = stamped.lines().find(|line| line.ends_with(" three")).unwrap();
    let third = third.split(' ').next().unwrap().to_owned();
    for flags in [
        &[][..],
        &["-t"],
        &["--details"],
        &["-t", "--details"],
        &["-n", "2"],
        &["--tail", "0"],
        &["--tail", "all"],
        &["-f"],
        &["--since", &third],
        &["--until", &third],
        // Not `--until 0s`: that is a whole second for docker, and this moment for us.
        &["--since", "10m"],
        &["--until", "10m"],
        &["-f", "--until", "10m", "-n", "1"],
        &["--since", "2013-01-02"],
        &["--since", "1136073600.000000001"],
    ] {
        let words = [&["logs"][..], flags, &[&name]].concat();
        let (ours, docker) = (shared().gantry(&words).run(), shared().docker(&words).run());
        assert_eq!(ours.stdout, docker.stdout, "{flags:?}");
        assert_eq!(ours.stderr, docker.stderr, "{flags:?}");
        assert_eq!(ours.code, docker.code, "{flags:?}");
    }
    for flags in [&["--since", "garbage"][..], &["-n", "x"], &["--nope"]] {
        let words = [&["logs"][..], flags, &[&name]].concat();
        assert_ne!(shared().gantry(&words).run().code, 0, "{flags:?}");
    }
    shared().remove(&[&name]);
}
