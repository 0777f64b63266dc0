//! Further processes in a running container: no operation of the specification, but of every runtime.

use serde_json::{Value, json};

use crate::case::{Case, Section, should};
use crate::stage::{Seen, Stage};

pub(super) fn section() -> Section {
    let mut cases = operation();
    cases.extend(whole_process());
    Section::new("runtime.md", "Exec", cases)
}

fn operation() -> Vec<Case> {
    vec![
        should("runs", "exec runs a process and ends with its exit code.", |stage| {
            stage.background();
            let id = stage.id.clone();
            let outcome = stage.call(&["exec", &id, "sh", "-c", "echo out; exit 9"]);
            assert_eq!((outcome.code, outcome.stdout.as_str()), (9, "out\n"), "{outcome}");
        }),
        should("created", "exec works in a container that is created.", |stage| {
            stage.create();
            assert_eq!(stage.exec(&["cat", "/marker"]), "the root");
        }),
        should("stopped", "exec in a stopped container makes an error.", |stage| {
            stage.args(&["true"]).create();
            stage.start();
            stage.until_status("stopped");
            let id = stage.id.clone();
            assert_ne!(stage.call(&["exec", &id, "true"]).code, 0);
        }),
        should("missing-program", "exec of a program that is not there makes an error.", |stage| {
            stage.background();
            let id = stage.id.clone();
            assert_ne!(stage.call(&["exec", &id, "/no/such/program"]).code, 0);
        }),
        should("environment", "exec has the container's environment and directory.", |stage| {
            stage
                .set("/process/env", json!(["PATH=/bin", "OF=the container"]))
                .set("/process/cwd", json!("/var"));
            stage.background();
            assert_eq!(stage.exec(&["sh", "-c", "echo $OF; pwd"]), "the container\n/var");
        }),
        should("flags", "--env, --cwd and --user change what they name.", |stage| {
            stage.background();
            let id = stage.id.clone();
            let words = [
                "exec",
                "--env",
                "A=1",
                "--cwd",
                "/etc",
                "--user",
                "7:8",
                &id,
                "sh",
                "-c",
                "echo $A $(pwd) $(id -u) $(id -g)",
            ];
            assert_eq!(stage.call(&words).success(), "1 /etc 7 8");
        }),
    ]
}

fn whole_process() -> Vec<Case> {
    vec![
        should("process-file", "--process gives the whole process as the config does.", |stage| {
            let process = json!({"args": ["/bin/probe"], "cwd": "/var", "env": ["A=1"],
                "user": {"uid": 5, "gid": 6, "additionalGids": [7]}, "noNewPrivileges": true,
                "rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}]});
            let seen = with_process(stage, &process);
            assert_eq!(seen.text("/cwd"), "/var");
            assert_eq!(seen.text("/env/A"), "1");
            assert!(seen.status("Uid").starts_with("5 ") && seen.status("Gid").starts_with("6 "));
            assert_eq!(seen.status("NoNewPrivs"), "1");
            assert_eq!(seen.at("/rlimits/RLIMIT_CORE"), &json!([1, 2]));
        }),
        should("process-file-oom", "An oomScoreAdj in that file holds.", |stage| {
            let process = json!({"args": ["/bin/probe"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "oomScoreAdj": 400});
            assert_eq!(with_process(stage, &process).text("/oom_score_adj"), "400");
        }),
        should(
            "capabilities",
            "exec has the container's capabilities, or those of its file.",
            |stage| {
                stage.background();
                let first = stage.exec(&["grep", "CapBnd", "/proc/1/status"]);
                assert_eq!(stage.exec(&["grep", "CapBnd", "/proc/self/status"]), first);
            },
        ),
        should(
            "detach",
            "With --detach, exec returns at once and the process lives on.",
            |stage| {
                stage.background();
                let (id, path) =
                    (stage.id.clone(), stage.dir().join("pid").to_string_lossy().into_owned());
                stage
                    .call(&["exec", "--detach", "--pid-file", &path, &id, "sleep", "1001"])
                    .success();
                let pid = std::fs::read_to_string(path).expect("read the pid file");
                let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.trim()));
                assert!(["sleep\n", "busybox\n"].contains(&name.expect("it lives").as_str()));
            },
        ),
        should(
            "descriptors",
            "No descriptors but the standard streams reach the process.",
            |stage| {
                stage.background();
                let text = stage.exec(&["/bin/probe"]);
                let seen: Value = serde_json::from_str(&text).expect("a report");
                let names: Vec<&String> =
                    seen["fds"].as_object().expect("an object").keys().collect();
                assert_eq!(names, ["0", "1", "2"], "{}", seen["fds"]);
            },
        ),
    ]
}

fn with_process(stage: &mut Stage, process: &Value) -> Seen {
    stage.background();
    let path = stage.file("process.json", &process.to_string());
    let id = stage.id.clone();
    Seen::parse(&stage.call(&["exec", "--process", &path, &id]).success())
}
