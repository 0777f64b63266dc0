//! Where CRIU finds a container's root and what is mounted into it: a private mount namespace, in which they are attached.
//!
//! CRIU takes paths, and wants the root to be a mount. On the host nothing is mounted: the namespace goes with CRIU, and the container
//! made from the images leaves it behind when it changes its root.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_sys::clone::{Fork, Namespaces, clone_into, setns};
use gantry_sys::mount::{Attributes, Change, Propagation, set_attributes};
use gantry_sys::{pidfd, process};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, mkdirat, openat, statat};

use super::external::{self, NULL};
use super::rpc::ExtMount;
use crate::channel::{Channel, Word};
use crate::error::Error;
use crate::failure::{During, Failure};
use crate::filesystem;
use crate::options::NOTIFY_TARGET;
use crate::plan::{MountKind, MountOptions, Plan, Recursion};
use crate::prepare::Prepared;
use crate::root::{Missing, Root};
use crate::terminal::null_device;
use gantry_sys::mountinfo::MountLine;

/// What is to be attached, by the name that the images use.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    /// What is covered by the stage; not on the host.
    path: PathBuf,
    /// An empty directory on the host.
    own: PathBuf,
    root: BorrowedFd<'a>,
    /// The root is made read-only when CRIU has done its part.
    protects_late: bool,
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    name: PathBuf,
    tree: OwnedFd,
}

/// The directory's name in a container's own.
const DIRECTORY: &str = "restore";
const ROOT: &str = "root";
const EMPTY: &str = "empty";
const READ_ONLY: &str = "make the root read-only";

impl<'a> Stage<'a> {
    /// Paths in `needed` stay visible on the stage.
    pub(super) fn new(
        plan: &Plan,
        prepared: &'a Prepared,
        state_dir: &Path,
        needed: &[&Path],
    ) -> Result<Self, Error> {
        let own = state_dir.join(DIRECTORY);
        let failed = |source| Error::Write { path: own.clone(), source };
        fs::create_dir(&own).map_err(failed)?;
        let own = own.canonicalize().map_err(failed)?;
        let open = if plan.namespaces.has_user() { open_to_all(needed) } else { None };
        let path = open.unwrap_or_else(|| own.clone());
        make_mount_points(plan, prepared)?;
        let root = prepared.root.as_fd();
        // CRIU mounts a place of its own on the root's /tmp, or makes a directory in the root. A user namespace keeps only those
        // restrictions for good that are there when CRIU makes it.
        let protects_late = plan.root_readonly && !plan.namespaces.has_user() && !has_tmp(root);
        if plan.root_readonly && !protects_late {
            make_read_only(root)?;
        }
        Ok(Self { path, own, root, protects_late, items: items(plan, prepared)? })
    }

    /// Makes the root of a container that CRIU has made, and that stands still, as its bundle wants it. The kernel takes that only from
    /// a process in the container's mount namespace.
    pub(super) fn protect(&self, pid: i32) -> Result<(), Failure> {
        if !self.protects_late {
            return Ok(());
        }
        let what = READ_ONLY;
        let namespace = File::open(format!("/proc/{pid}/ns/mnt")).during(what)?;
        let (told, tells) = Channel::pair().during(what)?;
        let child = match clone_into(Namespaces::NONE, None).during(what)? {
            Fork::Child => {
                drop(told);
                let done = match protect_here(&namespace) {
                    Ok(()) => Ok(()),
                    Err(failure) => tells.send(&Word::Failed(failure)),
                };
                process::exit_now(u8::from(done.is_err()))
            }
            Fork::Parent(child) => child,
        };
        drop(tells);
        let heard = told.receive();
        let ended = pidfd::wait(child.pidfd.as_fd()).during(what)?;
        match heard.during(what)? {
            Word::End if ended.code() == 0 => Ok(()),
            Word::Failed(failure) => Err(failure),
            _ => Err(std::io::Error::other("the process that does it died")).during(what),
        }
    }

    /// What the container's `/` will be made from.
    pub(super) fn root(&self) -> PathBuf {
        self.path.join(ROOT)
    }

    /// What begins with this is attached here.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The items as CRIU is told of them: the name and the path of each.
    pub(super) fn mounts(&self) -> Vec<ExtMount> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let items = self.items.iter().enumerate();
        let items = items.map(|(number, item)| (item.name.as_path(), self.place(number)));
        // A container that reported its readiness had a directory for it; nobody listens in the new one.
        let notify = (Path::new(NOTIFY_TARGET), self.path.join(EMPTY));
        let all = items.chain([notify]);
        all.map(|(name, place)| ExtMount { key: text(name), value: text(&place) }).collect()
    }

    /// The mounts that came along with the items, by the lines of the process that set the stage.
    pub(super) fn submounts(&self, lines: &[MountLine]) -> Vec<ExtMount> {
        let below = |line: &MountLine| {
            let number = (0..self.items.len())
                .find(|number| Path::new(&line.place).starts_with(self.place(*number)))?;
            let rest = Path::new(&line.place).strip_prefix(self.place(number)).ok()?;
            let name = self.items[number].name.join(rest);
            (!rest.as_os_str().is_empty()).then(|| ExtMount {
                key: name.to_string_lossy().into_owned(),
                value: line.place.clone(),
            })
        };
        lines.iter().filter_map(below).collect()
    }

    fn place(&self, number: usize) -> PathBuf {
        self.path.join(format!("m{number}"))
    }

    /// Attaches everything: in a process that has just been born into a mount namespace of its own.
    pub(super) fn set(&self) -> Result<(), Failure> {
        let what = "set the stage for a restore";
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let host = openat(CWD, "/", flags, Mode::empty()).during(what)?;
        let propagation = Some(Propagation::Private);
        let change = Change { propagation, recursive: true, ..Change::default() };
        set_attributes(host.as_fd(), change).during("make all mounts private")?;
        let directory =
            openat(CWD, &self.path, flags | OFlags::NOFOLLOW, Mode::empty()).during(what)?;
        let tmpfs = filesystem::new("tmpfs", "tmpfs", &MountOptions::parse(&["mode=711"]))?;
        filesystem::attach(tmpfs.as_fd(), directory.as_fd()).during(what)?;
        mkdirat(&tmpfs, EMPTY, Mode::from_raw_mode(0o755)).during(what)?;
        attach(&tmpfs, ROOT, self.root)?;
        for (number, item) in self.items.iter().enumerate() {
            attach(&tmpfs, &format!("m{number}"), item.tree.as_fd())?;
        }
        Ok(())
    }

    /// Removes the directory from the host.
    pub(super) fn clear(&self) -> Result<(), Error> {
        let own = &self.own;
        fs::remove_dir(own).map_err(|source| Error::Write { path: own.clone(), source })
    }
}

/// Whether CRIU finds a directory in the root that it can mount something on.
fn has_tmp(root: BorrowedFd<'_>) -> bool {
    let found = statat(root, "tmp", AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
}

fn make_read_only(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let change = Change { set: Attributes::RDONLY, ..Change::default() };
    set_attributes(root, change).during(READ_ONLY)
}

/// The same with the root of a mount namespace, which this process enters for good.
fn protect_here(namespace: &File) -> Result<(), Failure> {
    setns(namespace.as_fd(), Namespaces::MOUNT).during(READ_ONLY)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, "/", flags, Mode::empty()).during(READ_ONLY)?;
    make_read_only(root.as_fd())
}

/// A directory that any user may pass through: a process in a user namespace may not pass through the container's own. In the stage's
/// mount namespace nobody misses what lies there.
fn open_to_all(needed: &[&Path]) -> Option<PathBuf> {
    let needed: Vec<PathBuf> = needed.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let candidates = ["/mnt", "/media", "/srv", "/opt"].map(Path::new).into_iter();
    let mut free = candidates.filter(|candidate| {
        candidate.symlink_metadata().is_ok_and(|found| found.is_dir())
            && !needed.iter().any(|path| path.starts_with(candidate))
    });
    free.next().map(Path::to_owned)
}

fn attach(directory: &OwnedFd, name: &str, tree: BorrowedFd<'_>) -> Result<(), Failure> {
    let what = || format!("attach {name} to the stage for a restore");
    let missing = missing_for(tree).during_with(what)?;
    let root = Root::new(directory.try_clone().during_with(what)?);
    let place = root.find_or_make(Path::new(name), missing).during_with(what)?;
    filesystem::attach(tree, place.as_fd()).during_with(what)
}

fn missing_for(tree: BorrowedFd<'_>) -> rustix::io::Result<Missing> {
    let is_directory = FileType::from_raw_mode(fstat(tree)?.st_mode) == FileType::Directory;
    Ok(if is_directory { Missing::Directory } else { Missing::File })
}

fn items(plan: &Plan, prepared: &Prepared) -> Result<Vec<Item>, Failure> {
    let what = "copy a descriptor";
    let mut items = Vec::new();
    for (mount, bind) in plan.mounts.iter().zip(&prepared.binds) {
        match (&mount.kind, bind) {
            (MountKind::Bind(_), Some(tree)) => {
                let tree = tree.try_clone().during(what)?;
                items.push(Item { name: external::name_of(&mount.destination), tree });
            }
            (MountKind::Cgroup, _) if external::cgroups_are_binds(plan) => {
                for cgroup in &prepared.cgroups {
                    filesystem::change_bind(cgroup.tree.as_fd(), &mount.options)
                        .during("bind a cgroup")?;
                    let name = external::cgroup_name(&mount.destination, &cgroup.name);
                    items.push(Item { name, tree: cgroup.tree.try_clone().during(what)? });
                }
            }
            _ => {}
        }
    }
    if !plan.linux.masked_paths.is_empty() {
        let null = null_device().during("open the host's /dev/null")?;
        let tree =
            filesystem::copy_of(null.as_fd(), Recursion::TopOnly).during("copy the null device")?;
        items.push(Item { name: NULL.into(), tree });
    }
    for device in external::host_devices(plan) {
        let path = Path::new(&device);
        let tree = filesystem::copy_of_path(path, Recursion::TopOnly)
            .during_with(|| format!("bind the device {device}"))?;
        items.push(Item { name: external::name_of(path), tree });
    }
    Ok(items)
}

/// Makes what the mounts lie on, as `create` does: in the root, or in what is bound over a part of it. What other mounts hold comes
/// from the images.
fn make_mount_points(plan: &Plan, prepared: &Prepared) -> Result<(), Failure> {
    let what = "copy a descriptor";
    for (index, mount) in plan.mounts.iter().enumerate() {
        let destination = external::name_of(&mount.destination);
        let before = plan.mounts[..index].iter().zip(&prepared.binds).rev();
        let mut below = before.filter_map(|(other, bind)| {
            let rest = destination.strip_prefix(external::name_of(&other.destination)).ok()?;
            Some((rest, bind))
        });
        let (tree, path) = match below.next() {
            None => (prepared.root.try_clone(), destination.as_path()),
            Some((rest, Some(bind))) if !rest.as_os_str().is_empty() => (bind.try_clone(), rest),
            Some(_) => continue,
        };
        let missing = match prepared.binds.get(index) {
            Some(Some(bind)) => missing_for(bind.as_fd()).during("look at a bind's source")?,
            _ => Missing::Directory,
        };
        let root = Root::new(tree.during(what)?);
        root.find_or_make(path, missing)
            .during_with(|| format!("make the mount point {}", destination.display()))?;
    }
    Ok(())
}
