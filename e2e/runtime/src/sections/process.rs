//! config.md, "Process": directory, environment, words, streams, exit status.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::case::{Case, Section, must, should};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let mut cases = directory_and_environment();
    cases.extend(words());
    cases.extend(streams());
    Section::new("config.md", "Process", cases)
}

fn directory_and_environment() -> Vec<Case> {
    vec![
        must("cwd", "The process begins in cwd.", |stage| {
            stage.set("/process/cwd", json!("/var"));
            assert_eq!(stage.look().text("/cwd"), "/var");
        }),
        must("cwd-in-mount", "cwd may lie in a mount.", |stage| {
            stage.mount("tmpfs", "tmpfs", "/a/b", &[]).set("/process/cwd", json!("/a/b"));
            assert_eq!(stage.look().text("/cwd"), "/a/b");
        }),
        must("cwd-relative", "A relative cwd is refused.", |stage| {
            stage.set("/process/cwd", json!("var")).refused();
        }),
        must("cwd-required", "A process without cwd is refused.", |stage| {
            stage.remove("/process/cwd").refused();
        }),
        must("cwd-file", "A cwd that is a file makes an error.", |stage| {
            stage.set("/process/cwd", json!("/marker")).refused();
        }),
        must("env", "The environment has the listed variables with their values.", |stage| {
            let list = ["PATH=/bin", "EMPTY=", "EQUALS=a=b", "SPACE=a  b", "LINE=a\nb", "ÜML=ß"];
            stage.set("/process/env", json!(list));
            let seen = stage.look();
            for entry in list {
                let (name, value) = entry.split_once('=').unwrap_or_default();
                assert_eq!(seen.at("/env")[name], value, "{name}");
            }
        }),
        must("env-only", "Nothing of the runtime's own environment comes along.", |stage| {
            stage.args(&["/bin/probe"]).write_config();
            let id = stage.id.clone();
            let mut command = stage.command(&["run", &id]);
            command.env("OF_THE_HOST", "secret");
            let seen = stage.call_with(command).success();
            assert!(!seen.contains("OF_THE_HOST"), "{seen}");
        }),
        must("required", "create works without a process, or refuses; start does not.", |stage| {
            stage.remove("/process");
            if stage.create_outcome().code == 0 {
                let id = stage.id.clone();
                assert_ne!(stage.call(&["start", &id]).code, 0);
            }
        }),
    ]
}

fn words() -> Vec<Case> {
    vec![
        must("args", "The process gets the listed words, whatever is in them.", |stage| {
            let words = ["/bin/probe", "", "two words", "$HOME", "-x", "a\nb", "ß"];
            let seen = stage.args(&words).run().success();
            let seen: serde_json::Value = serde_json::from_str(&seen).expect("a report");
            assert_eq!(seen["args"], json!(words));
        }),
        must("args-path", "The first word is looked up in the PATH of the container.", |stage| {
            fs::create_dir(stage.rootfs().join("opt")).expect("make a folder");
            let from = stage.rootfs().join("bin/busybox");
            fs::hard_link(from, stage.rootfs().join("opt/echo")).expect("link a program");
            stage.set("/process/env", json!(["PATH=/nowhere:/opt"]));
            assert_eq!(stage.args(&["echo", "found"]).run().success(), "found");
        }),
        must("args-first-kept", "The first word arrives as it was written.", |stage| {
            let text = stage.args(&["probe"]).run().success();
            let seen: serde_json::Value = serde_json::from_str(&text).expect("a report");
            assert_eq!(seen["args"][0], "probe");
        }),
        must("args-relative", "A first word with a slash is relative to cwd.", |stage| {
            stage.set("/process/cwd", json!("/bin")).args(&["./busybox", "echo", "found"]);
            assert_eq!(stage.run().success(), "found");
        }),
        must("args-empty", "A process without words is refused.", |stage| {
            stage.args(&[]).refused();
        }),
        must("args-missing-program", "A program that is not there makes an error.", |stage| {
            stage.args(&["/bin/no-such-program"]).refused();
        }),
        must("args-not-on-path", "A program that is nowhere on PATH makes an error.", |stage| {
            stage.args(&["no-such-program"]).refused();
        }),
        must(
            "args-not-executable",
            "A program without the right to run makes an error.",
            |stage| {
                let path = stage.rootfs().join("bin/data");
                fs::write(&path, "#!/bin/sh\n").expect("write a file");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("close it");
                stage.args(&["/bin/data"]).refused();
            },
        ),
        must("args-directory", "A program that is a directory makes an error.", |stage| {
            stage.args(&["/etc"]).refused();
        }),
        must("interpreter", "A script runs by its interpreter.", |stage| {
            let path = stage.rootfs().join("bin/script");
            fs::write(&path, "#!/bin/sh\necho \"script $1\"\n").expect("write a script");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("open it");
            assert_eq!(stage.args(&["script", "one"]).run().success(), "script one");
        }),
    ]
}

fn streams() -> Vec<Case> {
    vec![
        must(
            "stdout",
            "Standard output is that of the runtime, and so is standard error.",
            |stage| {
                let outcome = stage.script("echo out; echo err >&2").run();
                assert_eq!(outcome.success(), "out");
                assert!(outcome.stderr.starts_with("err\n"), "{outcome}");
            },
        ),
        must("stdin", "Standard input is that of the runtime.", |stage| {
            let input = stage.file("input", "a line\n");
            stage.args(&["cat"]).write_config();
            let id = stage.id.clone();
            let mut command = stage.command(&["run", &id]);
            command.stdin(File::open(input).expect("open the input"));
            assert_eq!(stage.call_with(command).success(), "a line");
        }),
        should(
            "descriptors",
            "No descriptors but the standard streams reach the process.",
            |stage| {
                let seen = stage.look();
                let names: Vec<&String> =
                    seen.at("/fds").as_object().expect("an object").keys().collect();
                assert_eq!(names, ["0", "1", "2"], "{}", seen.at("/fds"));
            },
        ),
        should("exit-code", "run ends with the exit code of the process.", |stage| {
            stage.script("exit 42").run().exits(42);
        }),
        should(
            "exit-signal",
            "run ends with 128 and the number of the signal that ended it.",
            |stage| {
                stage.script("kill -TERM $$; kill -KILL $$").without_namespace("pid");
                stage.run().exits(143);
            },
        ),
        should("first-process", "In a new pid namespace, the process is number 1.", first_process),
        should("signals", "The runtime leaves no signal blocked or ignored.", signals),
        should("session-keyring", "The process has a session keyring of its own.", |stage| {
            let one = stage.look();
            let keys = one.text("/keys").to_owned();
            assert!(keys.contains(&stage.id), "{keys}");
        }),
    ]
}

fn first_process(stage: &mut Stage) {
    let seen = stage.look();
    assert_eq!(seen.status("Pid"), "1");
    assert_eq!(seen.at("/stat/ppid"), 0);
}

fn signals(stage: &mut Stage) {
    let own = fs::read_to_string("/proc/self/status").expect("read our own status");
    let own = own.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    let mask = |text: &str| u64::from_str_radix(text.trim(), 16).expect("a mask");
    let seen = stage.look();
    assert_eq!(mask(seen.status("SigBlk")), 0, "blocked");
    // What the caller ignores may stay so; the probe's own standard library ignores SIGPIPE.
    let ignored = mask(seen.status("SigIgn")) & !mask(own) & !(1 << 12);
    assert_eq!(ignored, 0, "ignored");
}
