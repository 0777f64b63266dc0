//! Mounts of volumes with options: made for the first user, taken away after the last one. They lie on the host, where
//! containers of a later daemon find the same files.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use gantry_types::error_chain;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, openat2, statx,
};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, mount, unmount};

use crate::dirs::Dirs;
use crate::{Error, Result, VolumeName, Volumes, local};

impl Volumes {
    /// Where a volume's files are on the host, whether or not they are mounted.
    pub fn path(&self, name: &VolumeName) -> PathBuf {
        self.dirs.data(name)
    }

    /// Whether something is mounted on the volume while it is in use.
    pub fn has_mount(&self, name: &VolumeName) -> bool {
        self.state().volumes.get(name).is_some_and(|one| one.is_local() && !one.options.is_empty())
    }

    /// Makes a volume's files ready for `user`, once for each; the path they are at.
    ///
    /// # Errors
    /// There is no such volume, or what it asks for cannot be mounted.
    pub fn mount(&self, name: &VolumeName, user: &str) -> Result<PathBuf> {
        let volume = self.find(name.as_str())?;
        let path = self.dirs.data(name);
        let Some(wish) = local::wish(name, &volume.options)?.filter(|_| volume.is_local()) else {
            return Ok(path);
        };
        // A server may take its time; it has only those wait who want this volume.
        let turn = self.turn(name);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_mounted(&path)? {
            let data = wish.data()?;
            mount(&*wish.device, &path, &*wish.kind, wish.flags, data.as_deref()).map_err(
                |error| Error::Mount {
                    path: path.clone(),
                    device: wish.device.clone(),
                    data: data
                        .as_deref()
                        .map(CStr::to_string_lossy)
                        .unwrap_or_default()
                        .into_owned(),
                    source: error.into(),
                },
            )?;
        }
        self.state().users.entry(name.clone()).or_default().insert(user.to_owned());
        Ok(path)
    }

    /// Gives a use back. The last one takes the mount away; a failure of that is logged.
    pub fn unmount(&self, name: &VolumeName, user: &str) {
        let turn = self.turn(name);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        let Some(users) = state.users.get_mut(name) else { return };
        users.remove(user);
        if !users.is_empty() {
            return;
        }
        state.users.remove(name);
        drop(state);
        if let Err(error) = unmount_now(&self.dirs, name) {
            tracing::warn!(error = error_chain(&error), volume = %name, "a volume stays mounted");
        }
    }

    /// A volume's files for as long as the answer is there, mounted when that is what they take.
    ///
    /// # Errors
    /// As [`Volumes::mount`].
    pub fn hold(&self, name: &VolumeName) -> Result<Held<'_>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let user = format!("held:{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let path = self.mount(name, &user)?;
        Ok(Held { volumes: self, name: name.clone(), user, path })
    }

    /// After a start of the daemon: who uses what. Mounts that nobody uses go.
    pub fn restore(&self, users: impl IntoIterator<Item = (VolumeName, String)>) {
        let mut state = self.state();
        for (name, user) in users {
            if state.volumes.get(&name).is_some_and(|one| one.is_local() && !one.options.is_empty())
            {
                state.users.entry(name).or_default().insert(user);
            }
        }
        for volume in state.volumes.values() {
            if !volume.is_local()
                || volume.options.is_empty()
                || state.users.contains_key(&volume.name)
            {
                continue;
            }
            if let Err(error) = unmount_now(&self.dirs, &volume.name) {
                tracing::warn!(error = error_chain(&error), volume = %volume.name, "a volume stays mounted");
            }
        }
    }

    /// What is at a path within a volume that is `at` a path of the host. The volume's links lead nowhere else, whoever made them.
    ///
    /// # Errors
    /// Nothing is there.
    pub fn open_subpath(&self, at: &Path, name: &VolumeName, path: &str) -> Result<OwnedFd> {
        // The path of a directory that is held open ends with a link.
        let dir = crate::dirs::open_dir(&at.join("."))?;
        open_within(&dir, path).map_err(|source| Error::Subpath {
            name: name.clone(),
            path: path.to_owned(),
            source,
        })
    }
}

/// A use of a volume by the daemon itself; see [`Volumes::hold`]. To be dropped by a thread with the daemon's root and mounts.
#[derive(Debug)]
pub struct Held<'a> {
    volumes: &'a Volumes,
    name: VolumeName,
    user: String,
    path: PathBuf,
}

impl Held<'_> {
    /// Where the files are.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.volumes.unmount(&self.name, &self.user);
    }
}

fn open_within(dir: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    /// The kernel gives up with EAGAIN when something anywhere is renamed while it goes up a `..` of a link.
    const ATTEMPTS: usize = 64;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    for _ in 0..ATTEMPTS {
        match openat2(dir, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
    Err(Errno::AGAIN.into())
}

/// Whether a mount lies on a directory.
pub(crate) fn is_mounted(path: &Path) -> Result<bool> {
    let stat = statx(
        CWD,
        path,
        AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_DONT_SYNC,
        StatxFlags::BASIC_STATS,
    )
    .map_err(|error| Error::store("look at", path)(error.into()))?;
    Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

pub(crate) fn unmount_now(dirs: &Dirs, name: &VolumeName) -> Result<()> {
    let path = dirs.data(name);
    // One that is gone has no mount.
    if !is_mounted(&path).unwrap_or(false) {
        return Ok(());
    }
    unmount(&path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
        .map_err(|error| Error::Unmount { name: name.clone(), source: error.into() })
}
