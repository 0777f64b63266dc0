//! Which namespaces are new, which are joined, and which stay the host's.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use gantry_oci::runtime::{IdMapping, Linux, NamespaceKind};
use gantry_sys::clone::{Namespaces, namespace_kind};
use rustix::fs::{fstat, stat};

use crate::failure::{During, Failure};
use crate::id_map;

/// Namespaces of the container.
#[derive(Debug)]
pub(crate) struct NamespacePlan {
    /// To be made by the clone itself. The cgroup namespace is not among them: its root is what the process's cgroup is when it is made.
    pub new: Namespaces,
    pub new_cgroup: bool,
    /// What to write into the `timens_offsets` of a new time namespace, which then is not among `new`: its clocks can only be set
    /// while nobody lives in it.
    pub time_offsets: Option<String>,
    /// To be entered by the child, the user namespace first.
    pub join: Vec<(Namespaces, OwnedFd)>,
    /// To be entered by the parent for its children: a process cannot change its own pid namespace.
    pub join_pid: Option<OwnedFd>,
    pub uid_mappings: Vec<IdMapping>,
    pub gid_mappings: Vec<IdMapping>,
}

impl NamespacePlan {
    pub(crate) fn new(linux: &Linux) -> Result<Self, Failure> {
        let mut plan = Self {
            new: Namespaces::NONE,
            new_cgroup: false,
            time_offsets: None,
            join: Vec::new(),
            join_pid: None,
            uid_mappings: linux.uid_mappings.clone(),
            gid_mappings: linux.gid_mappings.clone(),
        };
        let mut seen = Namespaces::NONE;
        for namespace in &linux.namespaces {
            let flag = flag(namespace.kind);
            if seen.contains(flag) {
                return Err(Failure::invalid(format!(
                    "the {:?} namespace is listed twice",
                    namespace.kind
                )));
            }
            seen = seen.with(flag);
            if namespace.path.is_empty() {
                plan.make(namespace.kind);
            } else {
                plan.join(namespace.kind, Path::new(&namespace.path))?;
            }
        }
        plan.check(seen)?;
        if !linux.time_offsets.is_empty() {
            if !plan.new.contains(Namespaces::TIME) {
                return Err(Failure::invalid("timeOffsets need a new time namespace"));
            }
            plan.new = plan.new.without(Namespaces::TIME);
            plan.time_offsets = Some(time_offsets(linux)?);
        }
        Ok(plan)
    }

    fn make(&mut self, kind: NamespaceKind) {
        if kind == NamespaceKind::Cgroup {
            self.new_cgroup = true;
        } else {
            self.new = self.new.with(flag(kind));
        }
    }

    fn join(&mut self, kind: NamespaceKind, path: &Path) -> Result<(), Failure> {
        let flag = flag(kind);
        let file = File::open(path)
            .during_with(|| format!("open the {kind:?} namespace {}", path.display()))?;
        if namespace_kind(file.as_fd()).ok() != Some(flag) {
            return Err(Failure::invalid(format!(
                "{} is not a {kind:?} namespace",
                path.display()
            )));
        }
        match kind {
            NamespaceKind::Mount if is_own(kind, &file)? => Err(Failure::invalid(format!(
                "{} is the runtime's own mount namespace: the container's root would become the host's",
                path.display()
            ))),
            // The container is there already, and what it finds there is as much the host's as without a word about it.
            _ if is_own(kind, &file)? => Ok(()),
            NamespaceKind::Pid => {
                self.join_pid = Some(file.into());
                Ok(())
            }
            NamespaceKind::User => {
                self.join.insert(0, (flag, file.into()));
                Ok(())
            }
            _ => {
                self.join.push((flag, file.into()));
                Ok(())
            }
        }
    }

    fn check(&self, seen: Namespaces) -> Result<(), Failure> {
        if !seen.contains(Namespaces::MOUNT) {
            return Err(Failure::invalid("a container needs its own mount namespace"));
        }
        let mapped = !self.uid_mappings.is_empty() || !self.gid_mappings.is_empty();
        if self.new.contains(Namespaces::USER)
            && (self.uid_mappings.is_empty() || self.gid_mappings.is_empty())
        {
            return Err(Failure::invalid("a new user namespace needs uidMappings and gidMappings"));
        }
        for (name, mappings) in
            [("linux.uidMappings", &self.uid_mappings), ("linux.gidMappings", &self.gid_mappings)]
        {
            id_map::check(name, mappings)?;
            if self.new.contains(Namespaces::USER) {
                id_map::check_root(name, mappings)?;
            }
        }
        if mapped && !seen.contains(Namespaces::USER) {
            return Err(Failure::invalid("uidMappings and gidMappings need a user namespace"));
        }
        Ok(())
    }

    /// Names of the host cannot be changed for a container's sake.
    pub(crate) fn check_names(&self, hostname: &str, domainname: &str) -> Result<(), Failure> {
        for (what, value) in [("hostname", hostname), ("domainname", domainname)] {
            if !value.is_empty() && !self.is_private(Namespaces::UTS) {
                return Err(Failure::invalid(format!(
                    "unable to set {what} without a private UTS namespace"
                )));
            }
        }
        Ok(())
    }

    /// The network namespace of a container whose first process has this pid and may not have joined it yet.
    pub(crate) fn network_of(&self, pid: i32) -> Result<OwnedFd, Failure> {
        let what = "open the container's network namespace";
        match self.join.iter().find(|(kind, _)| *kind == Namespaces::NETWORK) {
            Some((_, file)) => file.try_clone().during(what),
            None => Ok(File::open(format!("/proc/{pid}/ns/net")).during(what)?.into()),
        }
    }

    /// Whether the container has a namespace of this kind that is not the host's.
    pub(crate) fn is_private(&self, kind: Namespaces) -> bool {
        self.new.contains(kind) || self.join.iter().any(|(joined, _)| *joined == kind)
    }

    /// Whether the container's clocks are others than the host's.
    pub(crate) fn has_time(&self) -> bool {
        self.is_private(Namespaces::TIME) || self.time_offsets.is_some()
    }

    /// Whether files and devices belong to a user namespace other than the host's.
    pub(crate) fn has_user(&self) -> bool {
        self.is_private(Namespaces::USER)
    }
}

/// Whether a namespace file names the namespace that this process is in.
fn is_own(kind: NamespaceKind, file: &File) -> Result<bool, Failure> {
    let name = match kind {
        NamespaceKind::Pid => "pid",
        NamespaceKind::Network => "net",
        NamespaceKind::Mount => "mnt",
        NamespaceKind::Ipc => "ipc",
        NamespaceKind::Uts => "uts",
        NamespaceKind::User => "user",
        NamespaceKind::Cgroup => "cgroup",
        NamespaceKind::Time => "time",
    };
    let path = format!("/proc/self/ns/{name}");
    let own = stat(&path).during_with(|| format!("look at {path}"))?;
    let found = fstat(file).during_with(|| format!("look at a {name} namespace"))?;
    Ok((own.st_dev, own.st_ino) == (found.st_dev, found.st_ino))
}

fn time_offsets(linux: &Linux) -> Result<String, Failure> {
    let mut lines = Vec::new();
    for (clock, offset) in &linux.time_offsets {
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            return Err(Failure::invalid(format!(
                "timeOffsets {clock:?}: only monotonic and boottime can differ"
            )));
        }
        if offset.nanosecs >= 1_000_000_000 {
            return Err(Failure::invalid(format!(
                "timeOffsets {clock:?}: {} nanoseconds are a second or more",
                offset.nanosecs
            )));
        }
        lines.push(format!("{clock} {} {}\n", offset.secs, offset.nanosecs));
    }
    Ok(lines.concat())
}

pub(crate) fn flag(kind: NamespaceKind) -> Namespaces {
    match kind {
        NamespaceKind::Pid => Namespaces::PID,
        NamespaceKind::Network => Namespaces::NETWORK,
        NamespaceKind::Mount => Namespaces::MOUNT,
        NamespaceKind::Ipc => Namespaces::IPC,
        NamespaceKind::Uts => Namespaces::UTS,
        NamespaceKind::User => Namespaces::USER,
        NamespaceKind::Cgroup => Namespaces::CGROUP,
        NamespaceKind::Time => Namespaces::TIME,
    }
}
