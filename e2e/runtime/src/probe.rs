//! The probe: this program as a container's process. Prints everything that it sees of itself as one JSON document.
//! Knows nothing of cases.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Resource, getrlimit};
use serde_json::{Value, json};

const RESOURCES: [(&str, Resource); 16] = [
    ("RLIMIT_AS", Resource::As),
    ("RLIMIT_CORE", Resource::Core),
    ("RLIMIT_CPU", Resource::Cpu),
    ("RLIMIT_DATA", Resource::Data),
    ("RLIMIT_FSIZE", Resource::Fsize),
    ("RLIMIT_LOCKS", Resource::Locks),
    ("RLIMIT_MEMLOCK", Resource::Memlock),
    ("RLIMIT_MSGQUEUE", Resource::Msgqueue),
    ("RLIMIT_NICE", Resource::Nice),
    ("RLIMIT_NOFILE", Resource::Nofile),
    ("RLIMIT_NPROC", Resource::Nproc),
    ("RLIMIT_RSS", Resource::Rss),
    ("RLIMIT_RTPRIO", Resource::Rtprio),
    ("RLIMIT_RTTIME", Resource::Rttime),
    ("RLIMIT_SIGPENDING", Resource::Sigpending),
    ("RLIMIT_STACK", Resource::Stack),
];

const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// Prints the report.
pub(crate) fn report() {
    // Before anything of ours is open.
    let fds = descriptors();
    let rlimits: BTreeMap<_, _> =
        RESOURCES.iter().map(|(name, kind)| (*name, limit(*kind))).collect();
    let links = NAMESPACES.map(|kind| (kind, link(&format!("/proc/self/ns/{kind}"))));
    let report = json!({
        "args": std::env::args().collect::<Vec<_>>(),
        "env": std::env::vars().collect::<BTreeMap<_, _>>(),
        "cwd": std::env::current_dir().map(|path| path.to_string_lossy().into_owned()).ok(),
        "fds": fds,
        "status": status(),
        "stat": stat(),
        "rlimits": rlimits,
        "namespaces": links.into_iter().collect::<BTreeMap<_, _>>(),
        "mountinfo": text("/proc/self/mountinfo"),
        "cgroup": text("/proc/self/cgroup"),
        "uid_map": table("/proc/self/uid_map"),
        "gid_map": table("/proc/self/gid_map"),
        "timens_offsets": table("/proc/self/timens_offsets"),
        "oom_score_adj": text("/proc/self/oom_score_adj").trim(),
        "personality": text("/proc/self/personality").trim(),
        "memory_policy": memory_policy(),
        "keys": text("/proc/keys"),
        "hostname": text("/proc/sys/kernel/hostname").trim(),
        "domainname": text("/proc/sys/kernel/domainname").trim(),
        "machine": rustix::system::uname().machine().to_string_lossy(),
    });
    println!("{report}");
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn link(path: &str) -> String {
    fs::read_link(path).map(|to| to.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A table of numbers with one space between them.
fn table(path: &str) -> String {
    let text = text(path);
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

fn descriptors() -> BTreeMap<String, String> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    // The listing's own descriptor must be closed before anybody looks at the links.
    let names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let open = names.into_iter().map(|name| (name.clone(), link(&format!("/proc/self/fd/{name}"))));
    open.filter(|(_, to)| !to.is_empty()).collect()
}

fn limit(kind: Resource) -> Value {
    let limit = getrlimit(kind);
    json!([limit.current, limit.maximum])
}

fn status() -> BTreeMap<String, String> {
    let text = text("/proc/self/status");
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let words = |value: &str| value.split_whitespace().collect::<Vec<_>>().join(" ");
    fields.map(|(name, value)| (name.to_owned(), words(value))).collect()
}

/// The fields of proc(5)'s stat that cases look at.
fn stat() -> Value {
    let text = text("/proc/self/stat");
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    let fields: Vec<i64> =
        after.split_whitespace().skip(1).map(|w| w.parse().unwrap_or(0)).collect();
    // The first field here is proc(5)'s fourth.
    let field = |number: usize| fields.get(number - 4).copied();
    json!({
        "ppid": field(4), "pgrp": field(5), "session": field(6), "tty": field(7), "nice": field(19),
        "rt_priority": field(40), "policy": field(41),
    })
}

/// The policy of the first mapping, and what is told of that mapping behind it.
fn memory_policy() -> String {
    let text = text("/proc/self/numa_maps");
    let first = text.lines().next().and_then(|line| line.split_once(' '));
    first.map(|(_, policy)| policy.to_owned()).unwrap_or_default()
}
