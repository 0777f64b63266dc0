//! The mounts of a container: the kernel's file systems, the files the engine writes, then the user's own.

use gantry_layers::Points;
use gantry_oci::runtime::Mount;
use gantry_volumes::LOCAL;

use super::super::{ContainerPlan, Ipc, MountPlan, MountSource, Network};
use super::{FoundSource, SpecFacts};

/// Where the tiny init appears in the container.
pub(super) const INIT_TARGET: &str = "/sbin/docker-init";

/// What these are mounted upon at the top of the root, and in `/etc`.
pub(crate) const POINTS: Points = Points {
    directories: &["proc", "dev", "sys", "etc"],
    files: &["etc/resolv.conf", "etc/hostname", "etc/hosts"],
};

/// All mounts in the order in which they are made. A user's mount replaces the engine's at the same place.
pub(super) fn all(plan: &ContainerPlan, facts: &SpecFacts) -> Vec<Mount> {
    let mut mounts = system(plan);
    mounts.extend(shared_memory(plan, facts));
    mounts.extend(engine_files(plan, facts));
    mounts.retain(|mount| plan.mounts.iter().all(|own| own.target != mount.destination));
    mounts.extend(plan.mounts.iter().map(|own| user(own, facts)));
    if let Some(namespace) = &plan.user_namespace {
        for mount in &mut mounts {
            if is_ours(mount, plan, facts) {
                // The container's ids are those of the files, as they are on the disk.
                mount.options.push("idmap".to_owned());
                mount.uid_mappings = namespace.user_mappings_of_mounts();
                mount.gid_mappings = namespace.group_mappings_of_mounts();
            }
        }
    }
    mounts
}

/// Whether a mount shows files that the engine keeps for containers, and not something of the host's.
fn is_ours(mount: &Mount, plan: &ContainerPlan, facts: &SpecFacts) -> bool {
    let user = plan.mounts.iter().find(|own| own.target == mount.destination);
    // A volume's options may have mounted any directory of the host's: mapped, the container's root would be root there.
    let is_foreign = matches!(facts.sources.get(&mount.destination), Some(FoundSource::Foreign(_)));
    match user.map(|own| &own.source) {
        Some(MountSource::Volume(volume)) => volume.driver == LOCAL && !is_foreign,
        Some(_) => false,
        None => ["/etc/resolv.conf", "/etc/hostname", "/etc/hosts"]
            .contains(&mount.destination.as_str()),
    }
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
    let cgroup_access = match plan.security.writable_cgroups {
        Some(true) => "rw",
        Some(false) => "ro",
        None => access,
    };
    vec![
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
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", cgroup_access]),
    ]
}

/// `/dev/mqueue` and `/dev/shm`, which belong to the IPC namespace.
fn shared_memory(plan: &ContainerPlan, facts: &SpecFacts) -> Vec<Mount> {
    const FLAGS: [&str; 3] = ["nosuid", "noexec", "nodev"];
    let bound = |target: &str, source: &str| {
        mount(target, "bind", source, &[&["rbind"][..], &FLAGS].concat())
    };
    if plan.ipc == Ipc::Host {
        let queues = facts.host_queues.then(|| bound("/dev/mqueue", "/dev/mqueue"));
        return queues.into_iter().chain([bound("/dev/shm", "/dev/shm")]).collect();
    }
    let mut mounts = vec![mount("/dev/mqueue", "mqueue", "mqueue", &FLAGS)];
    if plan.ipc.has_own_shm() {
        let size = format!("size={}", plan.host_config.shm_size);
        mounts.push(mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", &size],
        ));
    }
    if let Some(shm) = &facts.joined.shm {
        mounts.push(bound("/dev/shm", &shm.to_string_lossy()));
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

fn user(plan: &MountPlan, facts: &SpecFacts) -> Mount {
    let access = if plan.read_only { "ro" } else { "rw" };
    // As Docker has it: with all that lies below, where the kernel can.
    let deep = if plan.read_only && facts.recursive_read_only { "rro" } else { access };
    match &plan.source {
        MountSource::Bind(bind) => {
            let how = if bind.recursive { "rbind" } else { "bind" };
            let access = if bind.writable_below || !bind.recursive {
                access
            } else if plan.read_only && bind.read_only_below {
                "rro"
            } else {
                deep
            };
            mount(&plan.target, "bind", &bind.path, &[how, access, &bind.propagation])
        }
        MountSource::Volume(volume) => match facts.sources.get(&plan.target) {
            Some(FoundSource::Path(path) | FoundSource::Foreign(path)) => {
                mount(&plan.target, "bind", path, &["rbind", deep, "rprivate"])
            }
            _ => mount(&plan.target, "bind", &volume.path, &["rbind", deep, "rprivate"]),
        },
        MountSource::Image(image) => match facts.sources.get(&plan.target) {
            Some(FoundSource::Mount { kind, options }) => {
                let options: Vec<&str> =
                    options.iter().map(String::as_str).chain(["ro", "nodev"]).collect();
                mount(&plan.target, kind, kind, &options)
            }
            Some(FoundSource::Path(path) | FoundSource::Foreign(path)) => {
                mount(&plan.target, "bind", path, &["bind", "ro", "nodev", "rprivate"])
            }
            None => mount(&plan.target, "bind", &image.reference, &["bind", "ro"]),
        },
        MountSource::Tmpfs { options } => {
            let options: Vec<&str> = options.iter().map(String::as_str).chain([access]).collect();
            mount(&plan.target, "tmpfs", "tmpfs", &options)
        }
    }
}
