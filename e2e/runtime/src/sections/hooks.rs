//! config.md, "POSIX-platform Hooks": which are called when, where and with what. What a failure does is next door.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::case::{Case, Section, must, should};
use crate::stage::Stage;

pub(super) const KINDS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

pub(super) fn section() -> Section {
    let mut cases: Vec<Case> = KINDS.map(state_of).into();
    cases.extend(moments());
    cases.extend(places());
    cases.extend(fields());
    Section::new("config.md", "Hooks", cases)
}

/// The version that brought a kind.
pub(super) fn version_of(kind: &str) -> u32 {
    u32::from(["createRuntime", "createContainer", "startContainer"].contains(&kind))
}

/// Adds a hook that reads its input and runs a script. One in the container writes below its root.
pub(super) fn hook(stage: &mut Stage, kind: &str, script: &str) {
    bare_hook(stage, kind, &format!("cat >/dev/null; {script}"));
}

fn bare_hook(stage: &mut Stage, kind: &str, script: &str) {
    let hook =
        json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]});
    stage.push(&format!("/hooks/{kind}"), hook);
}

/// Where a hook of this kind writes as `name`, and what the host calls it.
fn file_of(stage: &Stage, kind: &str, name: &str) -> (String, PathBuf) {
    if kind == "startContainer" {
        (format!("/tmp/{name}"), stage.rootfs().join("tmp").join(name))
    } else {
        let path = stage.dir().join(name);
        (path.to_string_lossy().into_owned(), path)
    }
}

/// Adds a hook of each kind that appends its name to one list.
fn all_kinds(stage: &mut Stage) -> PathBuf {
    // Bound into the container, so that all can reach it.
    let list = stage.file("list", "");
    stage.bind(&list, "/tmp/list", &["bind"]);
    for kind in KINDS {
        let at = if kind == "startContainer" { "/tmp/list" } else { &list };
        hook(stage, kind, &format!("echo {kind} >>{at}"));
    }
    PathBuf::from(list)
}

fn lines(path: &PathBuf) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn state_of(kind: &'static str) -> Case {
    let rule = format!("A {kind} hook receives the container's state on its standard input.");
    must(format!("{kind}-state"), rule, move |stage: &mut Stage| {
        let (inside, outside) = file_of(stage, kind, "state.json");
        bare_hook(stage, kind, &format!("cat >{inside}"));
        stage.set("/annotations", json!({"com.example.key": "value"}));
        stage.args(&["true"]);
        stage.create();
        let pid = stage.pid();
        stage.start();
        stage.until_status("stopped");
        stage.delete();
        let text = fs::read_to_string(&outside).expect("the hook was called");
        let state: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!(state["id"], stage.id.as_str(), "{state}");
        assert_eq!(state["bundle"], json!(stage.bundle()), "{state}");
        assert_eq!(state["annotations"]["com.example.key"], "value", "{state}");
        assert!(state["ociVersion"].is_string(), "{state}");
        let status = state["status"].as_str().unwrap_or_default();
        let expected: &[&str] = match kind {
            "prestart" | "createRuntime" | "createContainer" => &["creating", "created"],
            "startContainer" => &["created"],
            // The process is quick.
            "poststart" => &["running", "stopped"],
            _ => &["stopped"],
        };
        assert!(expected.contains(&status), "the status is {status}");
        if ["prestart", "createRuntime", "poststart"].contains(&kind) {
            assert_eq!(state["pid"], pid, "{state}");
        }
    })
    .since(version_of(kind))
}

fn moments() -> Vec<Case> {
    vec![
        must("order", "The kinds are called in the order of the lifecycle.", |stage| {
            let list = all_kinds(stage);
            stage.script("true").create();
            stage.start();
            stage.until_status("stopped");
            stage.delete();
            assert_eq!(lines(&list), KINDS);
        })
        .since(1),
        must(
            "during-create",
            "prestart, createRuntime and createContainer hooks belong to create.",
            |stage| {
                let list = all_kinds(stage);
                stage.create();
                assert_eq!(lines(&list), &KINDS[..3]);
            },
        )
        .since(1),
        must(
            "during-start",
            "startContainer hooks run before the process, poststart hooks before start returns.",
            |stage| {
                let list = all_kinds(stage);
                stage.script("echo process >>/tmp/list; sleep 1000").create();
                stage.start();
                let seen = lines(&list);
                assert_eq!(seen.get(3).map(String::as_str), Some("startContainer"), "{seen:?}");
                assert!(seen.iter().any(|line| line == "poststart"), "{seen:?}");
                let place = |name: &str| seen.iter().position(|line| line == name);
                // The process may need a moment to its first word.
                assert!(place("process").is_none_or(|at| at > 3), "{seen:?}");
            },
        )
        .since(1),
        must(
            "after-delete",
            "poststop hooks are called when the container is deleted, and not before.",
            |stage| {
                let list = all_kinds(stage);
                stage.args(&["true"]).create();
                stage.start();
                stage.until_status("stopped");
                assert!(!lines(&list).contains(&"poststop".to_owned()), "too early");
                stage.delete();
                assert_eq!(lines(&list).last().map(String::as_str), Some("poststop"));
            },
        ),
        must("listed-order", "Hooks of a kind are called in the listed order.", |stage| {
            let list = stage.file("list", "");
            for number in 1..=5 {
                hook(stage, "prestart", &format!("echo {number} >>{list}"));
            }
            stage.create();
            assert_eq!(lines(&PathBuf::from(list)), ["1", "2", "3", "4", "5"]);
        }),
    ]
}

fn places() -> Vec<Case> {
    let runtime_kinds = ["prestart", "createRuntime", "poststart", "poststop"];
    let mut cases: Vec<Case> = runtime_kinds
        .map(|kind| {
            let rule = format!("A {kind} hook runs in the runtime's namespaces.");
            must(format!("{kind}-namespace"), rule, move |stage: &mut Stage| {
                for space in ["mnt", "pid", "net", "uts"] {
                    let own = fs::read_link(format!("/proc/self/ns/{space}")).expect("our own");
                    assert_eq!(namespace_of(stage, kind, space), own.to_string_lossy(), "{space}");
                }
            })
            .since(version_of(kind))
        })
        .into();
    cases.extend(["createContainer", "startContainer"].map(|kind| {
        let rule = format!("A {kind} hook runs in the container's namespaces.");
        must(format!("{kind}-namespace"), rule, move |stage: &mut Stage| {
            for space in ["mnt", "net", "uts"] {
                let own = fs::read_link(format!("/proc/self/ns/{space}")).expect("our own");
                assert_ne!(namespace_of(stage, kind, space), own.to_string_lossy(), "{space}");
            }
        })
        .since(1)
    }));
    cases.extend([
        must(
            "createContainer-path",
            "The path of a createContainer hook is that of the machine.",
            |stage| {
                let (at, _) = file_of(stage, "createContainer", "found");
                let program = stage.file("program", &format!("#!/bin/sh\necho x >{at}\n"));
                make_executable(&program);
                stage.push("/hooks/createContainer", json!({"path": program}));
                stage.create();
                assert!(fs::exists(at).is_ok_and(|there| there), "the hook did not run");
            },
        )
        .since(1),
        must(
            "startContainer-path",
            "The path of a startContainer hook is that of the container.",
            |stage| {
                let program = stage.rootfs().join("bin/only-here");
                fs::write(&program, "#!/bin/sh\necho x >/tmp/found\n").expect("write a program");
                make_executable(&program.to_string_lossy());
                stage.push("/hooks/startContainer", json!({"path": "/bin/only-here"}));
                assert_eq!(stage.sh("cat /tmp/found"), "x");
            },
        )
        .since(1),
        must(
            "createContainer-mounts",
            "A createContainer hook finds the container's mounts made.",
            |stage| {
                let (at, _) = file_of(stage, "createContainer", "mounts");
                hook(stage, "createContainer", &format!("cat /proc/self/mountinfo >{at}"));
                stage.mount("tmpfs", "the-tmpfs", "/t", &[]);
                stage.create();
                assert!(fs::read_to_string(at).is_ok_and(|text| text.contains("the-tmpfs")));
            },
        )
        .since(1),
    ]);
    cases
}

fn fields() -> Vec<Case> {
    vec![
        must("args", "A hook gets its own words, whatever is in them.", |stage| {
            let at = stage.dir().join("words").to_string_lossy().into_owned();
            let script = format!("echo \"$0|$1|$2\" >{at}");
            stage.push(
                "/hooks/prestart",
                json!({"path": "/bin/sh", "args": ["sh", "-c", script, "zero", "one", "t w o"]}),
            );
            stage.create();
            assert_eq!(fs::read_to_string(at).expect("it ran"), "zero|one|t w o\n");
        }),
        must("env", "A hook has the environment of its entry, and no other.", |stage| {
            let at = stage.dir().join("env").to_string_lossy().into_owned();
            let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", format!("/bin/busybox env >{at}")], "env": ["A=1", "B=two words"]});
            stage.push("/hooks/prestart", hook).write_config();
            let (id, bundle) = (stage.id.clone(), stage.bundle().to_string_lossy().into_owned());
            let mut command = stage.command(&["create", "--bundle", &bundle, &id]);
            command.env("OF_THE_RUNTIME", "secret");
            stage.call_with(command).success();
            let seen = fs::read_to_string(at).expect("it ran");
            assert!(seen.contains("A=1\n") && seen.contains("B=two words\n"), "{seen}");
            assert!(!seen.contains("OF_THE_RUNTIME"), "{seen}");
        }),
        should("input-unread", "A hook need not read its input.", |stage| {
            let long: serde_json::Map<_, _> =
                (0..2000).map(|n| (format!("com.example.{n}"), json!("x".repeat(50)))).collect();
            stage.set("/annotations", Value::Object(long));
            stage.push("/hooks/prestart", json!({"path": "/bin/true"}));
            stage.push("/hooks/poststop", json!({"path": "/bin/true"}));
            stage.args(&["true"]).create();
            stage.start();
            stage.until_status("stopped");
            stage.delete();
        }),
        must("absolute-path", "A hook's path that is not absolute is refused.", |stage| {
            stage.push("/hooks/prestart", json!({"path": "bin/true"})).refused();
        }),
        must("missing-path", "A hook's program that is not there makes an error.", |stage| {
            stage.push("/hooks/prestart", json!({"path": "/nowhere/hook"})).refused();
        }),
        must("timeout-zero", "A timeout of 0 is refused.", |stage| {
            stage.push("/hooks/prestart", json!({"path": "/bin/true", "timeout": 0})).refused();
        }),
        must("timeout-kept", "A hook within its timeout is not disturbed.", |stage| {
            stage.push("/hooks/prestart", json!({"path": "/bin/true", "timeout": 100}));
            assert_eq!(stage.sh("echo ran"), "ran");
        }),
        must(
            "timeout",
            "A hook that takes longer than its timeout is ended, and counts as failed.",
            |stage| {
                stage.push(
                    "/hooks/prestart",
                    json!({"path": "/bin/sleep", "args": ["sleep", "90"], "timeout": 1}),
                );
                let begin = std::time::Instant::now();
                stage.refused();
                assert!(begin.elapsed().as_secs() < 60, "the runtime waited for the hook");
            },
        ),
    ]
}

/// The namespace in which a hook of this kind runs.
fn namespace_of(stage: &mut Stage, kind: &str, space: &str) -> String {
    let (inside, outside) = file_of(stage, kind, "link");
    stage.set("/hooks", json!({}));
    hook(stage, kind, &format!("readlink /proc/self/ns/{space} >{inside}"));
    stage.args(&["true"]).create();
    stage.start();
    stage.until_status("stopped");
    stage.delete();
    fs::read_to_string(outside).expect("the hook was called").trim().to_owned()
}

fn make_executable(path: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("make it executable");
}
