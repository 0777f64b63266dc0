//! What the parent makes ready before the new process exists: every mount whose source is on the host, as a detached descriptor.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use gantry_cgroup::ContainerMount;
use gantry_sys::clone::Namespaces;
use gantry_sys::mount::{Change, Propagation, set_id_mapping};
use rustix::fs::{FileType, fstat};

use crate::failure::{During, Failure};
use crate::options::{Rootfs, RootfsMount};
use crate::plan::{
    BindKind, MountIds, MountKind, MountOptions, MountPlan, NamespacePlan, Plan, Recursion,
};
use crate::{filesystem, id_map};

/// Detached mounts, ready to be moved into the container.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub root: OwnedFd,
    /// For each mount of the plan; only binds have one.
    pub binds: Vec<Option<OwnedFd>>,
    pub cgroups: Vec<CgroupMount>,
}

/// One of the container's own cgroup directories.
#[derive(Debug)]
pub(crate) struct CgroupMount {
    /// Name below `/sys/fs/cgroup`; empty when the unified hierarchy is all there is.
    pub name: String,
    /// Links to it: the single names of controllers that share a hierarchy.
    pub aliases: Vec<String>,
    pub tree: OwnedFd,
}

/// Where the sources are to be found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub bundle: &'a Path,
    pub rootfs: Rootfs<'a>,
    /// The container's own cgroups; none when it has no cgroup.
    pub cgroups: &'a [ContainerMount],
}

impl Sources<'_> {
    /// At most so many mounts are prepared from them.
    pub(crate) fn count(&self, plan: &Plan) -> usize {
        let root = match self.rootfs {
            Rootfs::FromSpec => 1,
            Rootfs::Mounts(mounts) => mounts.len(),
        };
        root + plan.mounts.len() + self.cgroups.len()
    }
}

pub(crate) fn prepare(plan: &Plan, sources: &Sources<'_>) -> Result<Prepared, Failure> {
    let Sources { bundle, rootfs, cgroups } = *sources;
    let root = match rootfs {
        Rootfs::FromSpec => root_of_bundle(plan, bundle)?,
        Rootfs::Mounts(mounts) => root_of_recipe(mounts)?,
    };
    if FileType::from_raw_mode(fstat(&root).during("look at the root file system")?.st_mode)
        != FileType::Directory
    {
        return Err(Failure::invalid("the root file system is not a directory"));
    }
    // A slave hears of what is mounted on the host later; everything else is cut off from it.
    let propagation = match plan.root_propagation {
        Some((Propagation::Slave, _)) => Propagation::Slave,
        _ => Propagation::Private,
    };
    let change = Change { propagation: Some(propagation), recursive: true, ..Change::default() };
    filesystem::set_attributes(root.as_fd(), change)
        .during("cut the root file system off from the host's mounts")?;
    let binds =
        plan.mounts.iter().map(|mount| bind(mount, plan, bundle)).collect::<Result<_, _>>()?;
    let cgroups = if plan.mounts.iter().any(|mount| mount.kind == MountKind::Cgroup) {
        cgroups.iter().map(cgroup).collect::<Result<_, _>>()?
    } else {
        Vec::new()
    };
    Ok(Prepared { root, binds, cgroups })
}

fn root_of_bundle(plan: &Plan, bundle: &Path) -> Result<OwnedFd, Failure> {
    let path = plan.root_path.as_deref().ok_or_else(|| Failure::invalid("root is missing"))?;
    let path = bundle.join(path);
    filesystem::copy_of_path(&path, Recursion::All)
        .during_with(|| format!("open the root file system {}", path.display()))
}

/// All mounts of a recipe go to one place, so each covers the one before it; that one must still be possible.
pub(crate) fn root_of_recipe(mounts: &[RootfsMount]) -> Result<OwnedFd, Failure> {
    let mut top = None;
    for mount in mounts {
        top = Some(step_of_recipe(mount)?);
    }
    top.ok_or_else(|| Failure::invalid("the root file system's recipe has no mounts"))
}

fn step_of_recipe(mount: &RootfsMount) -> Result<OwnedFd, Failure> {
    let options = MountOptions::parse(&mount.options);
    let bind = match (options.bind, mount.kind.as_str()) {
        (Some(BindKind(recursion)), _) => Some(recursion),
        (None, "bind") => Some(Recursion::TopOnly),
        _ => None,
    };
    let Some(recursion) = bind else {
        return filesystem::new(&mount.kind, &mount.source, &options);
    };
    let what = || format!("bind the root file system {}", mount.source);
    let tree = filesystem::copy_of_path(Path::new(&mount.source), recursion).during_with(what)?;
    filesystem::change_bind(tree.as_fd(), &options).during_with(what)?;
    Ok(tree)
}

fn bind(mount: &MountPlan, plan: &Plan, bundle: &Path) -> Result<Option<OwnedFd>, Failure> {
    let MountKind::Bind(recursion) = mount.kind else { return Ok(None) };
    let source = bundle.join(&mount.source);
    let what = || format!("bind {} to {}", source.display(), mount.destination.display());
    let tree = filesystem::copy_of_path(&source, recursion).during_with(what)?;
    filesystem::change_bind(tree.as_fd(), &mount.options).during_with(what)?;
    if let Some(ids) = &mount.id_mapping {
        let namespace = namespace_of(ids, &plan.namespaces)?;
        set_id_mapping(tree.as_fd(), namespace.as_fd(), ids.recursion == Recursion::All)
            .during_with(|| format!("{}: map ids", what()))?;
    }
    Ok(Some(tree))
}

/// A user namespace with the ids that a mount shows.
fn namespace_of(ids: &MountIds, container: &NamespacePlan) -> Result<OwnedFd, Failure> {
    let joined = container.join.iter().find(|(kind, _)| *kind == Namespaces::USER);
    match (&ids.mappings, joined) {
        (Some(own), _) => id_map::user_namespace(&own.uids, &own.gids),
        (None, Some((_, namespace))) => namespace.try_clone().during("copy a descriptor"),
        (None, None) => id_map::user_namespace(&container.uid_mappings, &container.gid_mappings),
    }
}

fn cgroup(mount: &ContainerMount) -> Result<CgroupMount, Failure> {
    let tree = filesystem::copy_of_path(&mount.source, Recursion::TopOnly)
        .during_with(|| format!("bind the cgroup {}", mount.source.display()))?;
    Ok(CgroupMount { name: mount.name.clone(), aliases: mount.aliases.clone(), tree })
}
