//! A bundle's document, turned into checked values before anything is touched.

mod capabilities;
mod cgroup_owner;
mod labels;
mod list;
mod memory_policy;
mod mount_options;
mod namespaces;
mod net_devices;
mod process;
mod sysctl;
mod version;

use std::path::{Path, PathBuf};

use gantry_oci::runtime::{Hooks, IdMapping, Linux, Mount, Spec};
use gantry_sys::mount::Propagation;

pub(crate) use capabilities::CapabilityPlan;
pub use capabilities::capability_warnings;
pub(crate) use capabilities::names as capability_names;
pub(crate) use labels::{LabelPlan, has_apparmor};
pub(crate) use memory_policy::MemoryPolicyPlan;
pub(crate) use memory_policy::{memory_policy_flags, memory_policy_modes};
pub(crate) use mount_options::{BindKind, MountOptions, Recursion};
pub(crate) use namespaces::NamespacePlan;
pub(crate) use net_devices::{InsideName, NetDevicePlan};
pub(crate) use process::{ProcessPlan, RlimitPlan};

use crate::failure::Failure;
use crate::{hooks, resctrl};

/// What `create` is going to do.
#[derive(Debug)]
pub(crate) struct Plan {
    pub namespaces: NamespacePlan,
    pub process: ProcessPlan,
    pub mounts: Vec<MountPlan>,
    pub root_path: Option<PathBuf>,
    pub root_readonly: bool,
    pub root_propagation: Option<(Propagation, Recursion)>,
    pub hostname: String,
    pub domainname: String,
    /// Path below `/proc/sys` and value.
    pub sysctls: Vec<(String, String)>,
    pub hooks: Hooks,
    /// As `personality(2)` takes it.
    pub personality: Option<u32>,
    pub memory_policy: Option<MemoryPolicyPlan>,
    pub net_devices: Vec<NetDevicePlan>,
    /// The rest, which needs no translation.
    pub linux: Linux,
}

/// One mount of the document.
#[derive(Debug)]
pub(crate) struct MountPlan {
    pub destination: PathBuf,
    pub source: String,
    pub kind: MountKind,
    pub options: MountOptions,
    pub id_mapping: Option<MountIds>,
}

/// Whose ids a bind shows, and how deep.
#[derive(Debug)]
pub(crate) struct MountIds {
    /// Absent: those of the container's user namespace.
    pub mappings: Option<IdMappings>,
    pub recursion: Recursion,
}

#[derive(Debug)]
pub(crate) struct IdMappings {
    pub uids: Vec<IdMapping>,
    pub gids: Vec<IdMapping>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MountKind {
    Bind(Recursion),
    /// The container's own cgroups, in the layout of the host.
    Cgroup,
    Filesystem(String),
}

impl Plan {
    pub(crate) fn new(spec: Spec) -> Result<Self, Failure> {
        version::check(&spec.oci_version)?;
        let process = spec.process.ok_or_else(|| Failure::invalid("process is missing"))?;
        let linux = spec.linux.unwrap_or_default();
        labels::mount_label(&linux.mount_label)?;
        check_paths("maskedPaths", &linux.masked_paths)?;
        check_paths("readonlyPaths", &linux.readonly_paths)?;
        linux.intel_rdt.as_ref().map_or(Ok(()), resctrl::check)?;
        let hooks = spec.hooks.unwrap_or_default();
        hooks::check(&hooks)?;
        let namespaces = NamespacePlan::new(&linux)?;
        namespaces.check_names(&spec.hostname, &spec.domainname)?;
        let sysctls = sysctl::plan(&linux.sysctl, &namespaces)?;
        let mounts = spec
            .mounts
            .into_iter()
            .map(|mount| MountPlan::new(mount, &namespaces))
            .collect::<Result<_, _>>()?;
        let root_propagation = match linux.rootfs_propagation.as_str() {
            "" => None,
            word => Some(mount_options::propagation(word).ok_or_else(|| {
                Failure::invalid(format!("linux.rootfsPropagation {word:?} is unknown"))
            })?),
        };
        Ok(Self {
            process: ProcessPlan::new(&process)?,
            net_devices: net_devices::plan(&linux.net_devices, &namespaces)?,
            namespaces,
            mounts,
            root_path: spec.root.as_ref().map(|root| PathBuf::from(&root.path)),
            root_readonly: spec.root.is_some_and(|root| root.readonly),
            root_propagation,
            hostname: spec.hostname,
            domainname: spec.domainname,
            sysctls,
            hooks,
            personality: linux.personality.as_ref().map(process::personality).transpose()?,
            memory_policy: linux.memory_policy.as_ref().map(MemoryPolicyPlan::new).transpose()?,
            linux,
        })
    }
}

impl MountPlan {
    fn new(mount: Mount, namespaces: &NamespacePlan) -> Result<Self, Failure> {
        let destination = PathBuf::from(mount.destination);
        // Early versions of the specification allowed relative destinations; they mean the same below the root.
        let destination = Path::new("/").join(destination);
        let options = MountOptions::parse(&mount.options);
        let kind = match (options.bind, mount.kind.as_str()) {
            (Some(BindKind(recursion)), _) => MountKind::Bind(recursion),
            (None, "bind") => MountKind::Bind(Recursion::TopOnly),
            (None, "cgroup" | "cgroup2") => MountKind::Cgroup,
            (None, "") => {
                return Err(Failure::invalid(format!(
                    "the mount at {} has neither a type nor the option bind",
                    destination.display()
                )));
            }
            (None, other) => MountKind::Filesystem(other.to_owned()),
        };
        let mappings = IdMappings { uids: mount.uid_mappings, gids: mount.gid_mappings };
        let id_mapping = id_mapping(mappings, &options, namespaces).map_err(|reason| {
            Failure::invalid(format!("the mount at {}: {reason}", destination.display()))
        })?;
        if id_mapping.is_some() && !matches!(kind, MountKind::Bind(_)) {
            return Err(Failure::unsupported(format!(
                "an id mapping of a mount that is no bind ({})",
                destination.display()
            )));
        }
        Ok(Self { destination, source: mount.source, kind, options, id_mapping })
    }

    pub(crate) fn is_filesystem(&self, name: &str) -> bool {
        matches!(&self.kind, MountKind::Filesystem(kind) if kind == name)
    }
}

fn check_paths(field: &str, paths: &[String]) -> Result<(), Failure> {
    match paths.iter().find(|path| !path.starts_with('/')) {
        Some(path) => {
            Err(Failure::invalid(format!("linux.{field}: {path:?} is not an absolute path")))
        }
        None => Ok(()),
    }
}

/// Mappings alone mean `idmap`; the option alone means the container's own mappings.
fn id_mapping(
    mappings: IdMappings,
    options: &MountOptions,
    namespaces: &NamespacePlan,
) -> Result<Option<MountIds>, &'static str> {
    let recursion = options.id_map.unwrap_or(Recursion::TopOnly);
    let mappings = match (mappings.uids.is_empty(), mappings.gids.is_empty()) {
        (false, false) => Some(mappings),
        (true, true) if options.id_map.is_none() => return Ok(None),
        (true, true) if namespaces.has_user() => None,
        (true, true) => return Err("idmap needs mappings, or a container with a user namespace"),
        _ => return Err("uidMappings and gidMappings need each other"),
    };
    Ok(Some(MountIds { mappings, recursion }))
}

#[cfg(test)]
mod tests;
