//! File systems in memory: what a daemon keeps until the next boot, and a disk that is soon full.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use tempfile::TempDir;

/// Mounts a tmpfs on a directory.
pub(crate) fn mount_on(folder: &Path, options: &str) {
    let text = CString::new(options).expect("no NUL in options");
    mount("tmpfs", folder, "tmpfs", MountFlags::empty(), text.as_c_str())
        .unwrap_or_else(|error| panic!("mount a tmpfs on {}: {error}", folder.display()));
}

/// A tmpfs of a given size. Unmounted when dropped.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts a tmpfs that holds `bytes`.
    pub fn mount(bytes: u64) -> Self {
        let folder = tempfile::Builder::new().prefix("gantry-e2e-disk-").tempdir();
        let folder = folder.expect("make a directory to mount on");
        mount_on(folder.path(), &format!("size={bytes},mode=755"));
        Self { folder }
    }

    /// Makes it hold this many bytes from now on.
    pub fn resize(&self, bytes: u64) {
        let options = CString::new(format!("size={bytes}")).expect("no NUL in digits");
        mount_remount(self.path(), MountFlags::empty(), options.as_c_str()).unwrap_or_else(
            |error| panic!("resize the tmpfs on {}: {error}", self.folder.path().display()),
        );
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path on it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(error) = unmount(self.folder.path(), UnmountFlags::DETACH) {
            eprintln!("unmount {}: {error}", self.folder.path().display());
        }
    }
}
