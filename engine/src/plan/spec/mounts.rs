//! The mounts of a container: the kernel's file systems, the files the engine writes, then the user's own.

use gantry_oci::runtime::Mount;

use super::super::{BindSource, ContainerPlan, Ipc, MountPlan, MountSource, Network};
use super::SpecFacts;

/// Where the tiny init appears in the container.
pub(super) const INIT_TARGET: &str = "/sbin/docker-init";

/// All mounts in the order in which they are made. A user's mount replaces the engine's at the same place.
pub(super) fn all(plan: &ContainerPlan, facts: &SpecFacts) -> Vec<Mount> {
    let mut mounts = system(plan);
    mounts.extend(engine_files(plan, facts));
    mounts.retain(|mount| plan.mounts.iter().all(|own| own.target != mount.destination));
    mounts.extend(plan.mounts.iter().map(user));
    mounts
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

/// `/proc`, `/dev`, `/sys` and what lies in them.
fn system(plan: &ContainerPlan) -> Vec<Mount> {
    let access = if plan.host_config.privileged { "rw" } else { "ro" };
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        // A sysfs of one's own needs a network namespace of one's own; the host's is bound otherwise.
        if plan.network == Network::Host {
            mount("/sys", "bind", "/sys", &["rbind", "nosuid", "noexec", "nodev", access])
        } else {
            mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access])
        },
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", access]),
    ];
    if plan.ipc == Ipc::Host {
        mounts.push(mount(
            "/dev/mqueue",
            "bind",
            "/dev/mqueue",
            &["rbind", "nosuid", "noexec", "nodev"],
        ));
        mounts.push(mount("/dev/shm", "bind", "/dev/shm", &["rbind", "nosuid", "noexec", "nodev"]));
    } else {
        mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]));
    }
    if plan.ipc == Ipc::Private {
        let size = format!("size={}", plan.host_config.shm_size);
        mounts.push(mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", &size],
        ));
    }
    mounts
}

/// `/etc/hostname`, `/etc/hosts`, `/etc/resolv.conf` and the init.
fn engine_files(plan: &ContainerPlan, facts: &SpecFacts) -> Vec<Mount> {
    let access = if plan.host_config.readonly_rootfs { "ro" } else { "rw" };
    let file = |destination: &str, name: &str| {
        let source = facts.container_dir.join(name);
        mount(destination, "bind", &source.to_string_lossy(), &["rbind", "rprivate", access])
    };
    let mut mounts = vec![
        file("/etc/resolv.conf", "resolv.conf"),
        file("/etc/hostname", "hostname"),
        file("/etc/hosts", "hosts"),
    ];
    if let Some(init) = &facts.init {
        mounts.push(mount(
            INIT_TARGET,
            "bind",
            &init.to_string_lossy(),
            &["bind", "ro", "rprivate"],
        ));
    }
    mounts
}

fn user(plan: &MountPlan) -> Mount {
    let access = if plan.read_only { "ro" } else { "rw" };
    match &plan.source {
        MountSource::Bind(BindSource { path, recursive, propagation, read_only_below, .. }) => {
            let bind = if *recursive { "rbind" } else { "bind" };
            let access = if plan.read_only && *read_only_below { "rro" } else { access };
            mount(&plan.target, "bind", path, &[bind, access, propagation])
        }
        MountSource::Tmpfs { options } => {
            let options: Vec<&str> = options.iter().map(String::as_str).chain([access]).collect();
            mount(&plan.target, "tmpfs", "tmpfs", &options)
        }
    }
}
