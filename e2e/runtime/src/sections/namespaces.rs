//! config-linux.md, "Namespaces": new, inherited, joined by path.

use std::fs;
use std::process::{Child, Command, Stdio};

use gantry_testkit::poll_for;
use serde_json::json;

use crate::case::{Case, Section, must};
use crate::machine::Need;
use crate::stage::{DEADLINE, Stage};

/// The word of the config, and the name under /proc/self/ns.
const KINDS: [(&str, &str); 7] = [
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

pub(super) fn section() -> Section {
    let mut cases: Vec<Case> = KINDS.map(|(word, name)| new(word, name)).into();
    cases.extend(
        KINDS
            .into_iter()
            .filter(|(word, _)| *word != "mount")
            .map(|(word, name)| inherited(word, name)),
    );
    cases.extend(
        KINDS
            .into_iter()
            .filter(|(word, _)| *word != "mount")
            .map(|(word, name)| joined(word, name)),
    );
    cases.extend(errors());
    cases.extend(isolation());
    Section::new("config-linux.md", "Namespaces", cases)
}

fn since(case: Case, word: &str) -> Case {
    if word == "time" { case.since(1).needs(Need::Path("/proc/self/ns/time")) } else { case }
}

fn own(name: &str) -> String {
    let link = fs::read_link(format!("/proc/self/ns/{name}")).expect("read our own namespace");
    link.to_string_lossy().into_owned()
}

fn new(word: &'static str, name: &'static str) -> Case {
    let case = must(
        word,
        format!("A {word} namespace without a path is a new one."),
        move |stage: &mut Stage| {
            if word == "time" {
                stage.push("/linux/namespaces", json!({"type": "time"}));
            }
            assert_ne!(stage.look().namespace(name), own(name));
        },
    );
    since(case, word)
}

fn inherited(word: &'static str, name: &'static str) -> Case {
    let rule = format!("Without a {word} namespace, the container has the runtime's.");
    let case = must(format!("{word}-inherited"), rule, move |stage: &mut Stage| {
        stage.without_namespace(word);
        if word == "uts" {
            stage.remove("/hostname");
        }
        if word == "network" {
            // The kernel lets sysfs be mounted by the owner of the network namespace alone.
            stage.bind("/sys", "/sys", &["rbind", "ro"]);
        }
        assert_eq!(stage.look().namespace(name), own(name));
    });
    since(case, word)
}

fn joined(word: &'static str, name: &'static str) -> Case {
    let rule = format!("A {word} namespace with a path is the one at that path.");
    let case = must(format!("{word}-joined"), rule, move |stage: &mut Stage| {
        let holder = Holder::start(word);
        let path = holder.namespace(if word == "pid" { "pid_for_children" } else { name });
        let link = fs::read_link(&path).expect("read the holder's namespace");
        stage.without_namespace(word);
        if word == "uts" {
            stage.remove("/hostname");
        }
        stage.push("/linux/namespaces", json!({"type": word, "path": path}));
        assert_eq!(stage.look().namespace(name), link.to_string_lossy());
    });
    since(case, word)
}

fn errors() -> Vec<Case> {
    vec![
        must("wrong-type", "A path to a namespace of another type makes an error.", |stage| {
            stage.without_namespace("network");
            let path = "/proc/self/ns/uts";
            stage.push("/linux/namespaces", json!({"type": "network", "path": path})).refused();
        }),
        must(
            "not-a-namespace",
            "A path to something that is no namespace makes an error.",
            |stage| {
                stage.without_namespace("network");
                let path = "/etc/passwd";
                stage.push("/linux/namespaces", json!({"type": "network", "path": path})).refused();
            },
        ),
        must("missing-path", "A path to nothing makes an error.", |stage| {
            stage.without_namespace("ipc");
            let path = "/proc/nothing/ns/ipc";
            stage.push("/linux/namespaces", json!({"type": "ipc", "path": path})).refused();
        }),
        must("duplicate", "A type that is listed twice is refused.", |stage| {
            stage.push("/linux/namespaces", json!({"type": "ipc"})).refused();
        }),
        must("unknown-type", "A type that does not exist is refused.", |stage| {
            stage.push("/linux/namespaces", json!({"type": "teapot"})).refused();
        }),
        must("type-required", "An entry without a type is refused.", |stage| {
            stage.push("/linux/namespaces", json!({"path": "/proc/self/ns/user"})).refused();
        }),
        must("relative-path", "A path that is not absolute is refused.", |stage| {
            stage.without_namespace("ipc");
            let namespace = json!({"type": "ipc", "path": "../../../proc/self/ns/ipc"});
            stage.push("/linux/namespaces", namespace).refused();
        }),
    ]
}

fn isolation() -> Vec<Case> {
    vec![
        must("pid-sees-own", "Processes see those of their own pid namespace alone.", |stage| {
            // The shell looks itself, without another process.
            assert_eq!(stage.sh("echo /proc/[0-9]*"), "/proc/1");
        }),
        must(
            "network-own-stack",
            "A new network namespace has nothing but a loopback interface.",
            |stage| {
                assert_eq!(stage.sh("ls /sys/class/net; cat /proc/net/route | wc -l"), "lo\n1");
            },
        ),
        must(
            "mount-isolated",
            "Mounts in the container do not reach the runtime's namespace.",
            |stage| {
                stage.mount("tmpfs", "a-name-of-its-own", "/t", &[]).background();
                let table = fs::read_to_string("/proc/self/mountinfo").expect("read our mounts");
                assert!(!table.contains("a-name-of-its-own"), "it is mounted here");
            },
        ),
        must(
            "cgroup-root",
            "In a new cgroup namespace, the container's cgroup is the root.",
            |stage| {
                let seen = stage.look();
                let text = seen.text("/cgroup").to_owned();
                let line =
                    text.lines().find(|line| line.contains(":pids:") || line.starts_with("0::"));
                assert!(line.is_some_and(|line| line.ends_with(":/")), "{text}");
            },
        ),
        must("exec-joins", "A process of exec is in all of the container's namespaces.", |stage| {
            stage.background();
            let pid = stage.pid();
            for (_, name) in KINDS {
                let Ok(link) = fs::read_link(format!("/proc/{pid}/ns/{name}")) else { continue };
                let inside = stage.exec(&["readlink", &format!("/proc/self/ns/{name}")]);
                assert_eq!(inside, link.to_string_lossy(), "{name}");
            }
        }),
    ]
}

/// A process of the host in a new namespace.
struct Holder(Child);

impl Holder {
    fn start(word: &str) -> Self {
        let flags: &[&str] = match word {
            "network" => &["--net"],
            "ipc" => &["--ipc"],
            "uts" => &["--uts"],
            "cgroup" => &["--cgroup"],
            "time" => &["--time", "--fork", "--kill-child"],
            "pid" => &["--pid", "--fork", "--kill-child"],
            _ => panic!("nobody asks for {word}"),
        };
        let mut command = Command::new("unshare");
        command.args(flags).args(["sh", "-c", "echo ready; exec sleep 1000"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("run unshare");
        let mut ready = String::new();
        let mut output = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        std::io::BufRead::read_line(&mut output, &mut ready).expect("wait for the holder");
        assert_eq!(ready, "ready\n");
        Self(child)
    }

    /// The path of its namespace; with a fork, that of its child.
    fn namespace(&self, name: &str) -> String {
        let own = self.0.id();
        let children = format!("/proc/{own}/task/{own}/children");
        let child = poll_for(DEADLINE, || fs::read_to_string(&children).ok()).unwrap_or_default();
        let pid = child.split_whitespace().next().map_or_else(|| own.to_string(), str::to_owned);
        format!("/proc/{pid}/ns/{}", name.trim_end_matches("_for_children"))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // With --kill-child, its child goes, too.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
