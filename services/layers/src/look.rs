//! Looking at files: read-only views of what images and containers have on the disk, for those who compare or archive
//! it. A view has no place in any file tree, and goes with its descriptor. Images and whole containers are read through one;
//! what a container has written is read from its upper directory itself, for whiteouts don't show in a view: of devices that lie
//! there nothing is opened (`gantry-archive`), whatever takes their names meanwhile.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

pub use gantry_archive::{Change, ChangeKind};
use gantry_archive::{CreateOptions, Whiteouts};
use gantry_types::{Digest, ErrorKind, Timestamp};
use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::chain::Lower;
use crate::{Error, Layers, Result, view, writable};

/// A container's upper directory, open. It may be renamed and emptied at any moment, when the container is removed.
#[derive(Debug)]
struct Upper<'a> {
    layers: &'a Layers,
    id: String,
    files: OwnedFd,
}

/// What a container has written. The container may be writing on.
#[derive(Debug)]
pub struct Written<'a> {
    upper: Upper<'a>,
    lower: OwnedFd,
    /// What is there only to be mounted upon.
    without: BTreeSet<Vec<u8>>,
}

/// All files of a container, without what is mounted in it. The container may be writing on.
#[derive(Debug)]
pub struct Whole<'a> {
    upper: Upper<'a>,
    files: OwnedFd,
}

impl Layers {
    /// The files of an image whose layers are `chain` (diffIDs, lowest first), as its containers find them.
    ///
    /// # Errors
    /// A layer is not here, or the kernel does not give the view.
    pub fn look_at_chain(&self, chain: &[Digest]) -> Result<OwnedFd> {
        self.view(&self.lower(chain)?)
    }

    /// The files of an image as [`Layers::look_at_chain`], as a mount that has no place yet. Of no layers: an empty directory.
    ///
    /// # Errors
    /// As [`Layers::look_at_chain`].
    pub fn mount_chain(&self, chain: &[Digest]) -> Result<OwnedFd> {
        view::merged(&self.lower(chain)?, &self.shared.dirs)
    }

    /// The files of the container `id`, whose image has the layers `chain`.
    ///
    /// # Errors
    /// A layer is not here, or the writable layer is not, or the kernel does not give the view.
    pub fn look_at_container(&self, id: &str, chain: &[Digest]) -> Result<Whole<'_>> {
        let upper = self.upper(id)?;
        let mut lower = self.lower_of_container(chain)?;
        lower.put_on_top(self.upper_path(id));
        let files = self.view(&lower)?;
        Ok(Whole { upper, files })
    }

    /// The files of the container `id`, whose image has the layers `chain`, as a mount that has no place yet. What is written
    /// there becomes the container's: nobody else may have it mounted. [`Layers::scratch_of_container`] keeps nothing. With a
    /// `namespace`, ids are as in [`Layers::recipe_with`].
    ///
    /// # Errors
    /// As [`Layers::look_at_container`].
    pub fn mount_container(
        &self,
        id: &str,
        chain: &[Digest],
        namespace: Option<BorrowedFd<'_>>,
    ) -> Result<OwnedFd> {
        let (lower, own) = self.parts(id, chain, namespace)?;
        let (upper, work) = (own.path().join(writable::UPPER), own.path().join(writable::WORK));
        view::writable(&lower, &upper, &work, &self.shared.dirs)
    }

    /// The files of the container `id` as a mount that has no place yet, and that takes what is written there along.
    ///
    /// # Errors
    /// As [`Layers::look_at_container`].
    pub fn scratch_of_container(
        &self,
        id: &str,
        chain: &[Digest],
        namespace: Option<BorrowedFd<'_>>,
    ) -> Result<OwnedFd> {
        // Held until the mount is made, which holds it from then on.
        let _upper = self.upper(id)?;
        let mut lower = self.lower_of_container(chain)?;
        lower.put_on_top(self.upper_path(id));
        if let Some(namespace) = namespace {
            lower = lower.mapped(namespace)?;
        }
        view::scratch(&lower, &self.shared.dirs)
    }

    /// What the container `id` has written above the layers `chain`. Of `points`, the paths at which something is
    /// mounted when it runs, those do not count that are there only to be mounted upon.
    ///
    /// # Errors
    /// As [`Layers::look_at_container`].
    pub fn look_at_written<'p>(
        &self,
        id: &str,
        chain: &[Digest],
        points: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<Written<'_>> {
        let upper = self.upper(id)?;
        let lower = self.look_at_chain(chain)?;
        let without = gantry_archive::mount_points(upper.files.as_fd(), lower.as_fd(), points)
            .map_err(|source| self.unreadable(source))?;
        Ok(Written { upper, lower, without })
    }

    /// A view of these layers as a directory that can be read.
    fn view(&self, lower: &Lower) -> Result<OwnedFd> {
        let mount = view::merged(lower, &self.shared.dirs)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(&mount, ".", flags, Mode::empty())
            .map_err(|error| Error::store("open a view of", &self.shared.dirs.layers.path, error))
    }

    /// A container's upper directory.
    pub(crate) fn open_upper(&self, id: &str) -> Result<OwnedFd> {
        writable::check_id(id)?;
        let room = &self.shared.dirs.writable;
        match room.open_dir(&format!("{id}/{}", writable::UPPER)) {
            Ok(dir) => Ok(dir),
            Err(Errno::NOENT) => Err(Error::NoWritable { id: id.to_owned() }),
            Err(error) => Err(Error::store("open", &self.upper_path(id), error)),
        }
    }

    fn upper(&self, id: &str) -> Result<Upper<'_>> {
        Ok(Upper { layers: self, id: id.to_owned(), files: self.open_upper(id)? })
    }

    fn upper_path(&self, id: &str) -> PathBuf {
        self.shared.dirs.writable.path_of(&format!("{id}/{}", writable::UPPER))
    }

    fn unreadable(&self, source: gantry_archive::Error) -> Error {
        match source.kind() {
            ErrorKind::StorageFull => Error::Full { path: self.shared.dirs.layers.path.clone() },
            _ => Error::Tree { action: "read a container's files", source },
        }
    }
}

impl Upper<'_> {
    /// Fails when the container was removed meanwhile: what was read may then be half of it.
    fn check(&self) -> Result<()> {
        let failed = |error: Errno| Error::store("read", &self.layers.upper_path(&self.id), error);
        let now = self.layers.open_upper(&self.id)?;
        let identity = |fd: &OwnedFd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
        if identity(&now).map_err(failed)? == identity(&self.files).map_err(failed)? {
            return Ok(());
        }
        Err(Error::NoWritable { id: self.id.clone() })
    }
}

impl Written<'_> {
    /// Writes it as a layer.
    ///
    /// # Errors
    /// It cannot be read, the container is removed meanwhile, or `output` fails.
    pub fn archive(&self, output: impl Write) -> Result<()> {
        self.archive_as_of(output, None)
    }

    /// The same, with nothing in it that is later than `latest`.
    ///
    /// # Errors
    /// As [`Written::archive`].
    pub fn archive_as_of(&self, output: impl Write, latest: Option<Timestamp>) -> Result<()> {
        let whiteouts = Whiteouts::Overlay;
        let options = CreateOptions { whiteouts, latest, ..CreateOptions::default() };
        let files = self.upper.files.as_fd();
        gantry_archive::create_without(files, output, options, &self.without)
            .map_err(|source| self.upper.layers.unreadable(source))?;
        self.upper.check()
    }

    /// Tells what it changes, in the order of paths.
    ///
    /// # Errors
    /// It cannot be read, or the container is removed meanwhile.
    pub fn changes(&self) -> Result<Vec<Change>> {
        let (upper, lower) = (self.upper.files.as_fd(), self.lower.as_fd());
        let changes = gantry_archive::changes(upper, lower, &self.without)
            .map_err(|source| self.upper.layers.unreadable(source))?;
        self.upper.check()?;
        Ok(changes)
    }
}

impl Whole<'_> {
    /// Writes them as an archive.
    ///
    /// # Errors
    /// They cannot be read, the container is removed meanwhile, or `output` fails.
    pub fn archive(&self, output: impl Write) -> Result<()> {
        let options = CreateOptions { whiteouts: Whiteouts::Plain, ..CreateOptions::default() };
        gantry_archive::create(self.files.as_fd(), output, options)
            .map_err(|source| self.upper.layers.unreadable(source))?;
        self.upper.check()
    }
}
