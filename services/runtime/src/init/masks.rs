//! Paths that a container must not read, and paths that it must not write.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use gantry_oci::runtime::Linux;
use gantry_sys::mount::{Attributes, Change};
use rustix::fs::{FileType, fstat};

use crate::failure::{During, Failure};
use crate::filesystem;
use crate::plan::{MountOptions, Recursion};
use crate::root::Root;
use crate::terminal::null_device;

pub(super) fn apply(root: &Root, linux: &Linux) -> Result<(), Failure> {
    for path in &linux.readonly_paths {
        make_readonly(root, path)?;
    }
    let mut cover = Cover { null: None, empty: None, label: &linux.mount_label };
    for path in &linux.masked_paths {
        cover.mask(root, path)?;
    }
    Ok(())
}

fn make_readonly(root: &Root, path: &str) -> Result<(), Failure> {
    let what = || format!("make {path} read-only");
    let Some(target) = find(root, path)? else { return Ok(()) };
    let tree = filesystem::copy_of(target.as_fd(), Recursion::All).during_with(what)?;
    let change = Change { set: Attributes::RDONLY, recursive: true, ..Change::default() };
    filesystem::set_attributes(tree.as_fd(), change).during_with(what)?;
    filesystem::attach(tree.as_fd(), target.as_fd()).during_with(what)
}

/// What lies over masked paths: the null device over files, one empty read-only tmpfs over all directories.
struct Cover<'a> {
    null: Option<OwnedFd>,
    empty: Option<OwnedFd>,
    /// The security label of that tmpfs; may be empty.
    label: &'a str,
}

impl Cover<'_> {
    fn mask(&mut self, root: &Root, path: &str) -> Result<(), Failure> {
        let what = || format!("mask {path}");
        let Some(target) = find(root, path)? else { return Ok(()) };
        let found = fstat(&target).during_with(what)?;
        let tree = if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            self.empty_directory()?
        } else {
            self.null_file()?
        };
        filesystem::attach(tree.as_fd(), target.as_fd()).during_with(what)?;
        if self.empty.is_none() && FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            self.empty = Some(tree);
        }
        Ok(())
    }

    /// The first one is new; a copy can be made of it as soon as it is attached.
    fn empty_directory(&self) -> Result<OwnedFd, Failure> {
        if let Some(empty) = &self.empty {
            return filesystem::copy_of(empty.as_fd(), Recursion::TopOnly)
                .during("copy the empty directory");
        }
        let words = ["ro", "nosuid", "nodev", "noexec", "nr_blocks=1", "nr_inodes=1", "mode=755"];
        let options = MountOptions::parse(&words).with_label("tmpfs", self.label);
        filesystem::new("tmpfs", "tmpfs", &options)
    }

    fn null_file(&mut self) -> Result<OwnedFd, Failure> {
        let null = match self.null.take() {
            Some(null) => null,
            None => null_device().during("open the host's /dev/null")?,
        };
        let copy = filesystem::copy_of(null.as_fd(), Recursion::TopOnly);
        self.null = Some(null);
        copy.during("copy the null device")
    }
}

/// Paths that this kernel or this image does not have need no protection.
fn find(root: &Root, path: &str) -> Result<Option<OwnedFd>, Failure> {
    match root.find(Path::new(path)) {
        Ok(target) => Ok(Some(target)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).during_with(|| format!("find {path}")),
    }
}
