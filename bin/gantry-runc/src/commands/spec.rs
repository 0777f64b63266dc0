//! `spec [--bundle DIR] [--rootless]`: writes a `config.json` to start from, for root or for the user who calls.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use gantry_oci::runtime::{
    DeviceRule, IdMapping, Linux, LinuxCapabilities, LinuxResources, Mount, Namespace,
    NamespaceKind, Process, Rlimit, Root, SPEC_VERSION, Spec,
};

use crate::arguments::{Arguments, switch, value};
use crate::error::Error;

pub(super) fn run(args: Vec<String>) -> Result<u8, Error> {
    let flags = [value("bundle").short("b"), switch("rootless")];
    let args = Arguments::parse("spec", &flags, args)?;
    let path = PathBuf::from(args.get("bundle").unwrap_or(".")).join("config.json");
    let failed = |source| Error::File { what: "write", path: path.clone(), source };
    let spec = if args.is_set("rootless") { rootless_spec() } else { default_spec() };
    let text =
        serde_json::to_string_pretty(&spec).map_err(|error| failed(io::Error::from(error)))?;
    // An existing document is somebody's work.
    let mut file = File::options().write(true).create_new(true).open(&path).map_err(failed)?;
    writeln!(file, "{text}").map_err(failed)?;
    Ok(0)
}

fn default_spec() -> Spec {
    Spec {
        oci_version: SPEC_VERSION.to_owned(),
        process: Some(process()),
        root: Some(Root { path: "rootfs".to_owned(), readonly: true }),
        hostname: "gantry".to_owned(),
        mounts: mounts(),
        linux: Some(linux()),
        ..Spec::default()
    }
}

/// A container in a user namespace with a single id, the caller's own: every user may have that, without further tools.
///
/// The network is the host's, since a user cannot connect another one; then the kernel lends `/sys` only as a bind of the host's.
/// There are no limits: cgroups may not be his to make.
fn rootless_spec() -> Spec {
    let mut spec = default_spec();
    let own = |host_id| vec![IdMapping { container_id: 0, host_id, size: 1 }];
    if let Some(linux) = &mut spec.linux {
        linux.uid_mappings = own(rustix::process::geteuid().as_raw());
        linux.gid_mappings = own(rustix::process::getegid().as_raw());
        linux.resources = None;
        linux.namespaces.retain(|namespace| namespace.kind != NamespaceKind::Network);
        let path = String::new();
        linux.namespaces.push(Namespace { kind: NamespaceKind::User, path });
    }
    spec.mounts.retain(|mount| !mount.destination.starts_with("/sys"));
    for mount in &mut spec.mounts {
        mount.options.retain(|option| !option.starts_with("gid=") && !option.starts_with("uid="));
    }
    let options = ["rbind", "nosuid", "noexec", "nodev", "ro", "rro"].map(str::to_owned).to_vec();
    spec.mounts.push(Mount {
        destination: "/sys".to_owned(),
        kind: "none".to_owned(),
        source: "/sys".to_owned(),
        options,
        ..Mount::default()
    });
    spec
}

fn process() -> Process {
    let names =
        || ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"].map(str::to_owned).to_vec();
    Process {
        terminal: true,
        args: vec!["sh".to_owned()],
        env: vec![
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            "TERM=xterm".to_owned(),
        ],
        cwd: "/".to_owned(),
        capabilities: Some(LinuxCapabilities {
            bounding: names(),
            effective: names(),
            permitted: names(),
            ..LinuxCapabilities::default()
        }),
        rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), hard: 1024, soft: 1024 }],
        no_new_privileges: true,
        ..Process::default()
    }
}

fn mounts() -> Vec<Mount> {
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        ..Mount::default()
    };
    let closed = ["nosuid", "noexec", "nodev"];
    vec![
        mount("/proc", "proc", "proc", &[]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
        ),
        mount("/dev/mqueue", "mqueue", "mqueue", &closed),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", "ro"],
        ),
    ]
}

fn linux() -> Linux {
    let new = |kind| Namespace { kind, path: String::new() };
    let paths = |list: &[&str]| list.iter().map(|&path| path.to_owned()).collect();
    let deny_all = DeviceRule { access: "rwm".to_owned(), ..DeviceRule::default() };
    Linux {
        resources: Some(LinuxResources { devices: vec![deny_all], ..LinuxResources::default() }),
        namespaces: [
            NamespaceKind::Pid,
            NamespaceKind::Network,
            NamespaceKind::Ipc,
            NamespaceKind::Uts,
            NamespaceKind::Mount,
            NamespaceKind::Cgroup,
        ]
        .map(new)
        .to_vec(),
        masked_paths: paths(&[
            "/proc/acpi",
            "/proc/asound",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/timer_list",
            "/proc/timer_stats",
            "/proc/sched_debug",
            "/sys/firmware",
            "/proc/scsi",
        ]),
        readonly_paths: paths(&[
            "/proc/bus",
            "/proc/fs",
            "/proc/irq",
            "/proc/sys",
            "/proc/sysrq-trigger",
        ]),
        ..Linux::default()
    }
}
