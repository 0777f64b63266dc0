//! An image on its way, its mount, and its check by the format's own tool.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_erofs::{Finished, Metadata, Tree, Writer};
use gantry_types::Timestamp;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

pub(crate) struct Bed {
    temp: tempfile::TempDir,
}

pub(crate) fn metadata(mode: u32) -> Metadata {
    let modified = Timestamp { seconds: 1, nanos: 2 };
    Metadata { mode, uid: 0, gid: 0, modified, attributes: Vec::new() }
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.temp.path().join("image")
    }

    pub(crate) fn begin(&self) -> (Writer, Tree) {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true);
        let writer = Writer::new(file.open(self.image()).unwrap(), [7; 16]);
        (writer, Tree::new(metadata(0o755), 64 << 20))
    }

    /// Finishes an image, has it checked, and mounts it.
    pub(crate) fn finish(&self, writer: Writer, tree: &Tree) -> (Mounted, Finished) {
        let finished = writer.finish(tree).unwrap();
        assert_eq!(self.image().metadata().unwrap().len(), finished.image_bytes);
        check(&self.image());
        (self.mount(), finished)
    }

    /// Has the image checked.
    pub(crate) fn check(&self) {
        check(&self.image());
    }

    pub(crate) fn mount(&self) -> Mounted {
        let context = fsopen("erofs", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        fsconfig_set_string(&context, "source", self.image()).unwrap();
        fsconfig_set_flag(&context, "ro").unwrap();
        fsconfig_create(&context).unwrap();
        let flags = FsMountFlags::FSMOUNT_CLOEXEC;
        Mounted { root: fsmount(&context, flags, MountAttrFlags::empty()).unwrap() }
    }
}

/// The checker of erofs-utils finds nothing wrong.
fn check(image: &Path) {
    let output = Command::new("fsck.erofs").arg(image).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
}

/// A mounted image; it is nowhere in the file tree and goes with this value.
pub(crate) struct Mounted {
    root: OwnedFd,
}

impl Mounted {
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        Path::new(&format!("/proc/self/fd/{}", self.root.as_raw_fd())).join(path)
    }

    pub(crate) fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let items = std::fs::read_dir(self.path(path)).unwrap();
        items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect()
    }
}
