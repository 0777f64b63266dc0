//! Command lines of `create` in, requests out: the defaults first, then what differs from them.

use clap::{Args, Command, FromArgMatches};
use serde_json::{Value, json};

use super::*;
use crate::cli::tests::parse_words;

mod every_flag;

fn flags(words: &[&str]) -> Result<ContainerFlags, String> {
    let command = ContainerFlags::augment_args(Command::new("gantry"));
    let matches = parse_words(command, words)?;
    ContainerFlags::from_arg_matches(&matches).map_err(|error| error.to_string())
}

fn request(words: &[&str]) -> Value {
    let request = flags(words).unwrap().request().unwrap();
    serde_json::to_value(request).unwrap()
}

/// `path` is a JSON pointer.
fn check(words: &[&str], expected: &[(&str, Value)]) {
    let request = request(&[words, &["busybox"]].concat());
    for (path, value) in expected {
        assert_eq!(request.pointer(path), Some(value), "{words:?} at {path}");
    }
}

#[test]
fn defaults_are_dockers() {
    let request = request(&["busybox"]);
    for (path, value) in [
        ("/AttachStdin", json!(false)),
        ("/AttachStdout", json!(true)),
        ("/AttachStderr", json!(true)),
        ("/Cmd", Value::Null),
        ("/Entrypoint", Value::Null),
        ("/Env", Value::Null),
        ("/Labels", json!({})),
        ("/HostConfig/NetworkMode", json!("default")),
        ("/HostConfig/RestartPolicy", json!({"Name": "no", "MaximumRetryCount": 0})),
        ("/HostConfig/MemorySwappiness", json!(-1)),
        ("/HostConfig/OomKillDisable", json!(false)),
        ("/HostConfig/PidsLimit", json!(0)),
        ("/HostConfig/MaskedPaths", Value::Null),
        ("/NetworkingConfig/EndpointsConfig/default/IPAMConfig", Value::Null),
    ] {
        assert_eq!(request.pointer(path), Some(&value), "{path}");
    }
    assert_eq!(request.pointer("/HostConfig/Init"), None);
}

#[test]
fn proxies_come_with_the_environment_and_never_against_it() {
    let pair = |name: &str| (name.to_owned(), "http://proxy:1".to_owned());
    let mut flags = flags(&["-e", "http_proxy=mine", "-e", "no_proxy", "busybox"]).unwrap();
    flags.process.proxies = ["HTTP_PROXY", "http_proxy", "no_proxy"].map(pair).to_vec();
    let request = serde_json::to_value(flags.request().unwrap()).unwrap();
    let env = &request["Env"];
    assert_eq!(env, &json!(["HTTP_PROXY=http://proxy:1", "http_proxy=mine", "no_proxy"]));
}

#[test]
fn flags_end_at_the_image() {
    for (words, image, command) in [
        (&["busybox", "ls", "-l"][..], "busybox", json!(["ls", "-l"])),
        (&["-it", "--rm", "busybox", "--", "sh"], "busybox", json!(["--", "sh"])),
        (&["--", "busybox", "-i", "--rm"], "busybox", json!(["-i", "--rm"])),
        (&["-i", "busybox", "--help"], "busybox", json!(["--help"])),
    ] {
        let request = request(words);
        assert_eq!((&request["Image"], &request["Cmd"]), (&json!(image), &command), "{words:?}");
    }
}

#[test]
fn switches_combine_and_take_values() {
    check(
        &["-it"],
        &[("/OpenStdin", json!(true)), ("/Tty", json!(true)), ("/StdinOnce", json!(true))],
    );
    check(&["-i", "-t=false"], &[("/OpenStdin", json!(true)), ("/Tty", json!(false))]);
    check(&["--rm=false"], &[("/HostConfig/AutoRemove", json!(false))]);
    check(&["--rm", "--rm=0"], &[("/HostConfig/AutoRemove", json!(false))]);
    check(&["--init"], &[("/HostConfig/Init", json!(true))]);
    check(&["-itw", "/x"], &[("/WorkingDir", json!("/x")), ("/Tty", json!(true))]);
    check(&["-w/x", "-u=me"], &[("/WorkingDir", json!("/x")), ("/User", json!("me"))]);
    check(&["--name", "-odd", "--user", "a", "--user", "b"], &[("/User", json!("b"))]);
    check(
        &["-a", "stdin", "-a", "STDERR"],
        &[("/AttachStdin", json!(true)), ("/AttachStdout", json!(false))],
    );
}

#[test]
fn process_flags() {
    check(
        &["-e", "A=1", "--env=B=", "-l", "x=y", "-l", "z", "--entrypoint", "a b", "-h", "host"],
        &[
            ("/Env", json!(["A=1", "B="])),
            ("/Labels", json!({"x": "y", "z": ""})),
            ("/Entrypoint", json!(["a b"])),
            ("/Hostname", json!("host")),
        ],
    );
    check(&["--entrypoint", ""], &[("/Entrypoint", json!([""]))]);
    check(
        &["--stop-signal", "INT", "--stop-timeout", "-1", "--group-add", "g"],
        &[
            ("/StopSignal", json!("INT")),
            ("/StopTimeout", json!(-1)),
            ("/HostConfig/GroupAdd", json!(["g"])),
        ],
    );
    check(
        &["--health-cmd", "true x", "--health-interval", "3s"],
        &[(
            "/Healthcheck",
            json!({"Test": ["CMD-SHELL", "true x"], "Interval": 3_000_000_000_i64}),
        )],
    );
    check(&["--no-healthcheck"], &[("/Healthcheck", json!({"Test": ["NONE"]}))]);
}

#[test]
fn limits_and_security() {
    check(
        &["-m", "512m", "--memory-swap", "-1", "--cpus", "1.5", "-c", "4", "--pids-limit", "9"],
        &[
            ("/HostConfig/Memory", json!(536_870_912)),
            ("/HostConfig/MemorySwap", json!(-1)),
            ("/HostConfig/NanoCpus", json!(1_500_000_000)),
            ("/HostConfig/CpuShares", json!(4)),
            ("/HostConfig/PidsLimit", json!(9)),
        ],
    );
    check(
        &["--ulimit", "nofile=10:20", "--ulimit", "cpu=3"],
        &[(
            "/HostConfig/Ulimits",
            json!([{"Name": "cpu", "Hard": 3, "Soft": 3}, {"Name": "nofile", "Hard": 20, "Soft": 10}]),
        )],
    );
    check(
        &[
            "--cap-add",
            "NET_ADMIN",
            "--cap-drop=ALL",
            "--privileged",
            "--security-opt",
            "no-new-privileges",
        ],
        &[
            ("/HostConfig/CapAdd", json!(["NET_ADMIN"])),
            ("/HostConfig/CapDrop", json!(["ALL"])),
            ("/HostConfig/Privileged", json!(true)),
            ("/HostConfig/SecurityOpt", json!(["no-new-privileges"])),
        ],
    );
    check(
        &[
            "--sysctl",
            "net.a=c",
            "--pid",
            "host",
            "--ipc",
            "none",
            "--uts",
            "host",
            "--cgroupns",
            "private",
        ],
        &[
            ("/HostConfig/Sysctls", json!({"net.a": "c"})),
            ("/HostConfig/PidMode", json!("host")),
            ("/HostConfig/IpcMode", json!("none")),
            ("/HostConfig/UTSMode", json!("host")),
            ("/HostConfig/CgroupnsMode", json!("private")),
        ],
    );
}

#[test]
fn files_and_networks() {
    check(
        &[
            "-v",
            "/a:/b:ro",
            "-v",
            "/vol",
            "--tmpfs",
            "/run:size=1m",
            "--tmpfs",
            "/t",
            "--read-only",
        ],
        &[
            ("/HostConfig/Binds", json!(["/a:/b:ro"])),
            ("/Volumes", json!({"/vol": {}})),
            ("/HostConfig/Tmpfs", json!({"/run": "size=1m", "/t": ""})),
            ("/HostConfig/ReadonlyRootfs", json!(true)),
        ],
    );
    check(
        &[
            "--network",
            "n1",
            "--network",
            "name=n2,alias=q",
            "--network-alias",
            "al",
            "--ip",
            "1.2.3.4",
        ],
        &[
            ("/HostConfig/NetworkMode", json!("n1")),
            ("/NetworkingConfig/EndpointsConfig/n1/Aliases", json!(["al"])),
            ("/NetworkingConfig/EndpointsConfig/n1/IPAMConfig", json!({"IPv4Address": "1.2.3.4"})),
            ("/NetworkingConfig/EndpointsConfig/n2/Aliases", json!(["q"])),
        ],
    );
    check(
        &["-p", "80:8080", "-P", "--expose", "5-6/udp"],
        &[
            ("/ExposedPorts", json!({"8080/tcp": {}, "5/udp": {}, "6/udp": {}})),
            ("/HostConfig/PortBindings", json!({"8080/tcp": [{"HostIp": "", "HostPort": "80"}]})),
            ("/HostConfig/PublishAllPorts", json!(true)),
        ],
    );
    check(
        &["--restart", "on-failure:3", "--log-driver", "json-file", "--log-opt", "max-size=1m"],
        &[
            ("/HostConfig/RestartPolicy", json!({"Name": "on-failure", "MaximumRetryCount": 3})),
            ("/HostConfig/LogConfig", json!({"Type": "json-file", "Config": {"max-size": "1m"}})),
        ],
    );
}

#[test]
fn wrong_values_are_named_with_their_flag() {
    for (words, text) in [
        (
            &["-m", "xx"][..],
            "invalid argument \"xx\" for \"-m, --memory\" flag: invalid size: 'xx'",
        ),
        (
            &["--cpus", "x"],
            "invalid argument \"x\" for \"--cpus\" flag: failed to parse x as a rational number",
        ),
        (
            &["-e", "=x"],
            "invalid argument \"=x\" for \"-e, --env\" flag: invalid environment variable: =x",
        ),
        (&["--rm=maybe"], "invalid argument \"maybe\" for \"--rm\" flag: it takes true or false"),
        (&["-a", "foo"], "invalid argument \"foo\" for \"-a, --attach\" flag: valid streams are"),
        (&["--stop-timeout", "x"], "invalid argument \"x\" for \"--stop-timeout\" flag: "),
        (&["--foo"], "unknown flag: --foo"),
        (&["-z"], "unknown shorthand flag: 'z' in -z"),
        (&["-iz"], "unknown shorthand flag: 'z' in -z"),
    ] {
        let error = flags(&[words, &["busybox"]].concat()).unwrap_err();
        assert!(error.starts_with(text), "{words:?}: {error}");
        assert!(error.contains("\n\nUsage:  gantry run [OPTIONS] IMAGE"), "{error}");
    }
    assert!(flags(&["--name"]).unwrap_err().starts_with("flag needs an argument: --name"));
    assert!(flags(&["-i"]).unwrap_err().contains("'gantry run' requires at least 1 argument"));
}

#[test]
fn contradictions_are_refused() {
    for (words, text) in [
        (
            &["--rm", "--restart", "always"][..],
            "conflicting options: cannot specify both --restart and --rm",
        ),
        (
            &["--no-healthcheck", "--health-cmd", "x"],
            "--no-healthcheck conflicts with --health-* options",
        ),
        (
            &["--restart", "on-failure:x"],
            "invalid restart policy format: maximum retry count must be an integer",
        ),
        (&["-p", "x:y"], "invalid containerPort: y"),
        (&["-v", ":/x"], "invalid spec: :/x: empty section between colons"),
        (&["--network", "a", "--network", "a"], "network \"a\" is specified multiple times"),
        (&["--mac-address", "x"], "x is not a valid mac address"),
    ] {
        let flags = flags(&[words, &["busybox"]].concat()).unwrap();
        assert_eq!(flags.request().unwrap_err().to_string(), text, "{words:?}");
    }
}
