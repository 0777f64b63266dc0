//! What this runtime can do, as the specification's features document.
//!
//! By the specification the document tells what the runtime knows, whatever the machine has; what this machine lacks of it stands in
//! the annotations.

use std::ffi::OsStr;
use std::path::Path;

use gantry_oci::runtime::SPEC_VERSION;
use gantry_sys::seccomp::knows_flag;
use gantry_sys::selinux;
use gantry_types::SEARCH_PATH;
use serde_json::Value;

use crate::checkpoint::find_criu;

use crate::plan::{capability_names, has_apparmor, memory_policy_flags, memory_policy_modes};

/// Options with a meaning of their own; every other one goes to the file system.
const MOUNT_OPTIONS: &[&str] = &[
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];

/// Names and bits (`linux/seccomp.h`). Of the first, one thread has no need.
const SECCOMP_FLAGS: [(&str, u32); 4] = [
    ("SECCOMP_FILTER_FLAG_TSYNC", 1),
    ("SECCOMP_FILTER_FLAG_LOG", 1 << 1),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", 1 << 2),
    // The kernel takes this one only together with the one for a listener.
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1 << 5 | 1 << 3),
];

const HOOKS: &[&str] =
    &["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
const NAMESPACES: &[&str] = &["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];
const SECCOMP_ACTIONS: &[&str] = &[
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];
const SECCOMP_OPERATORS: &[&str] = &[
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];
const SECCOMP_ARCHITECTURES: &[&str] =
    &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"];
const CGROUP: &[&str] = &["v1", "v2", "systemd", "systemdUser", "rdma"];
/// Annotations by which a document asks for more than the specification's fields say.
const UNSAFE_ANNOTATIONS: &[&str] = &["org.systemd.property."];

/// The document.
pub fn features() -> Value {
    object(vec![
        ("ociVersionMin", "1.0.0".into()),
        ("ociVersionMax", SPEC_VERSION.into()),
        ("hooks", list(HOOKS)),
        ("mountOptions", list(MOUNT_OPTIONS)),
        ("linux", linux()),
        ("annotations", annotations()),
        ("potentiallyUnsafeConfigAnnotations", list(UNSAFE_ANNOTATIONS)),
    ])
}

fn linux() -> Value {
    let memory_policy =
        vec![("modes", list(&memory_policy_modes())), ("flags", list(&memory_policy_flags()))];
    object(vec![
        ("namespaces", list(NAMESPACES)),
        ("capabilities", list(capability_names())),
        ("cgroup", all_true(CGROUP)),
        ("seccomp", seccomp()),
        ("apparmor", all_true(&["enabled"])),
        ("selinux", all_true(&["enabled"])),
        ("intelRdt", all_true(&["enabled", "schemata", "monitoring"])),
        ("memoryPolicy", object(memory_policy)),
        ("mountExtensions", object(vec![("idmap", all_true(&["enabled"]))])),
        ("netDevices", all_true(&["enabled"])),
    ])
}

fn seccomp() -> Value {
    let known: Vec<&str> = SECCOMP_FLAGS.iter().map(|(name, _)| *name).collect();
    let supported: Vec<&str> =
        SECCOMP_FLAGS.iter().filter(|(_, bits)| knows_flag(*bits)).map(|(name, _)| *name).collect();
    object(vec![
        ("enabled", true.into()),
        ("actions", list(SECCOMP_ACTIONS)),
        ("operators", list(SECCOMP_OPERATORS)),
        ("archs", list(SECCOMP_ARCHITECTURES)),
        ("knownFlags", list(&known)),
        ("supportedFlags", list(&supported)),
    ])
}

/// What a caller may want to know of this machine before it writes a document for it.
fn annotations() -> Value {
    let yes_or_no = |has: bool| if has { "true" } else { "false" }.into();
    let exists = |path: &str| yes_or_no(Path::new(path).exists());
    let criu = find_criu(OsStr::new("criu"), OsStr::new(SEARCH_PATH)).is_some();
    object(vec![
        // By this name callers of runc know it.
        ("org.opencontainers.runc.checkpoint.enabled", yes_or_no(criu)),
        ("org.gantry.version", env!("CARGO_PKG_VERSION").into()),
        ("org.gantry.host.apparmor", yes_or_no(has_apparmor())),
        ("org.gantry.host.selinux", yes_or_no(selinux::is_in_force())),
        ("org.gantry.host.resctrl", exists("/sys/fs/resctrl/schemata")),
        ("org.gantry.host.cgroup2", exists("/sys/fs/cgroup/cgroup.controllers")),
    ])
}

// Functions, not the macro: what that one writes out for each value is many times as large.

fn object(fields: Vec<(&str, Value)>) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn list(words: &[&str]) -> Value {
    Value::Array(words.iter().map(|&word| word.into()).collect())
}

fn all_true(names: &[&str]) -> Value {
    object(names.iter().map(|&name| (name, true.into())).collect())
}
