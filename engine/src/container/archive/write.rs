//! Files into a container.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use gantry_archive::{ApplyOptions, Merge, Whiteouts};
use gantry_types::Digest;
use rustix::fs::{OFlags, StatVfsMountFlags, fstatfs, fstatvfs};
use rustix::io::Errno;
use rustix::process::{chroot, fchdir};

use super::place::{self, Path};
use super::{ids, owner, root, stopped};
use crate::container::announce;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::MountPlan;
use crate::record::{ContainerRecord, State};
use crate::{Result, blocking};

/// How files go into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopyInOptions {
    /// A directory is not replaced by anything else, nor the other way round.
    pub kinds_stay: bool,
    /// Everything belongs to the container's user, when it has one.
    pub to_user: bool,
}

/// Extracts an archive, which may be compressed, into a directory of a container. What was extracted before a failure stays.
pub async fn copy_in(
    engine: &Engine,
    container: &str,
    path: &str,
    options: CopyInOptions,
    archive: impl Read + Send + 'static,
) -> Result<()> {
    if path.is_empty() || path.contains('\0') {
        return Err(Error::invalid(
            "bad parameter: 'path' cannot be empty or have a NUL byte in it",
        ));
    }
    let id = engine.snapshot(container)?.record.id.clone();
    // A container that does not run must not start now. One that runs is let go at once.
    let mut room = Some(engine.rooms.enter(&id).await);
    let record = engine.snapshot(container)?.record;
    if record.state.is_running() {
        room = None;
    }
    let work = Writing {
        engine: engine.clone(),
        container: container.to_owned(),
        record: Arc::clone(&record),
        text: path.to_owned(),
        options,
    };
    let (done, answer) = tokio::sync::oneshot::channel();
    blocking::thread("container-copy", move || {
        let result = work.write(archive);
        drop(room);
        // Nobody may wait for the answer any more.
        drop(done.send(result));
    })?;
    answer.await.map_err(|_| Error::ShuttingDown)??;
    announce::tell(engine, &record, "extract-to-dir");
    Ok(())
}

struct Writing {
    engine: Engine,
    /// As the user called it.
    container: String,
    record: Arc<ContainerRecord>,
    text: String,
    options: CopyInOptions,
}

impl Writing {
    /// Only for a thread that ends afterwards: it may lose its root.
    fn write(&self, archive: impl Read + Send) -> Result<()> {
        if let State::Running { pid, .. } = self.record.state {
            let root = root::of_process(&self.record, pid, &self.container)?;
            return self.extract(&root, archive);
        }
        stopped::with_files(&self.engine, &self.record, true, |root| self.extract(root, archive))
    }

    fn extract(&self, root: &OwnedFd, archive: impl Read + Send) -> Result<()> {
        let path = Path::parse(&self.text);
        let dir = self.directory(root, &path)?;
        let owner = if self.options.to_user {
            owner::of_user(root.as_fd(), &self.record.plan.config.user)?
        } else {
            None
        };
        let namespace = self.record.plan.user_namespace.as_ref();
        let owner = owner.map(|owner| match namespace {
            Some(namespace) => ids::owner_on_host(namespace, owner),
            None => owner,
        });
        let failed = |source| Error::Copy { container: self.record.id.to_string(), source };
        let options = ApplyOptions {
            whiteouts: Whiteouts::Plain,
            // Nobody asks for it.
            known: Some(Digest::sha256([0; 32])),
            merge: Merge {
                owner,
                kinds_stay: self.options.kinds_stay,
                root_stays: true,
                rename: None,
            },
            ..ApplyOptions::default()
        };
        // A link that somebody puts in the way now leads nowhere but within the container.
        let away = |error: Errno| Error::file("enter the files of", &self.container)(error.into());
        gantry_sys::clone::unshare_root()
            .map_err(Error::file("enter the files of", &self.container))?;
        fchdir(root).map_err(away)?;
        chroot(".").map_err(away)?;
        let archive = gantry_archive::decompress_any(archive, &options.limits).map_err(failed)?;
        let apply = |archive: &mut dyn Read| {
            gantry_archive::apply(archive, dir.as_fd(), &options).map(drop)
        };
        match namespace {
            Some(namespace) => {
                ids::into_container(namespace, archive, |mut mapped| apply(&mut mapped))
            }
            None => apply(&mut { archive }),
        }
        .map_err(failed)
    }

    /// The directory that the archive goes into, which must be one that can be written to.
    fn directory(&self, root: &OwnedFd, path: &Path) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir = match place::open_in(root.as_fd(), place::within(path.bytes()), flags) {
            Ok(dir) => dir,
            Err(Errno::NOTDIR) => {
                return Err(Error::invalid("extraction point is not a directory"));
            }
            Err(Errno::NOENT | Errno::LOOP) => {
                let (path, container) = (self.text.clone(), self.container.clone());
                return Err(Error::NoSuchFile { path, container });
            }
            Err(error) => return Err(Error::file("open", &self.text)(error.into())),
        };
        let failed = |error: Errno| Error::file("look at", &self.text)(error.into());
        if is_kernels(&dir).map_err(failed)? {
            return Err(Error::ReadOnly {
                what: format!(
                    "{:?} is not made of files, but of the kernel's settings: it",
                    self.text
                ),
            });
        }
        if fstatvfs(&dir).map_err(failed)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
            let in_mount = |mount: &&MountPlan| {
                let rest = path.bytes().strip_prefix(mount.target.as_bytes());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            };
            let what = match self.record.plan.mounts.iter().find(in_mount) {
                Some(_) => "mounted volume",
                None => "container rootfs",
            };
            return Err(Error::ReadOnly { what: what.to_owned() });
        }
        Ok(dir)
    }
}

/// Whether writing there would change settings of the kernel's.
fn is_kernels(dir: &OwnedFd) -> Result<bool, Errno> {
    const PROC: u64 = 0x9fa0;
    const SYSFS: u64 = 0x6265_6572;
    const CGROUP: u64 = 0x27_e0eb;
    const CGROUP2: u64 = 0x6367_7270;
    let kind = u64::try_from(fstatfs(dir)?.f_type).unwrap_or_default();
    Ok(matches!(kind, PROC | SYSFS | CGROUP | CGROUP2))
}
