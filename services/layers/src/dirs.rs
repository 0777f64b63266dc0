//! The store's directories: paths, numbers, and moves between them.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, chmodat, mkdirat, openat, renameat_with,
};
use rustix::io::Errno;

use crate::{Error, Format, Result};

/// One directory of the store, open.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) fd: OwnedFd,
    pub(crate) path: PathBuf,
}

impl Room {
    /// Opens the directory, or makes it for root's eyes only.
    fn open(path: PathBuf) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        match made {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::store("make", &path, error));
            }
            _ => {}
        }
        let fd = File::open(&path).map_err(|error| Error::store("open", &path, error))?;
        Ok(Self { fd: fd.into(), path })
    }

    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let failed = |error: Errno| Error::store("list", &self.path, error);
        let mut names = Vec::new();
        for item in Dir::read_from(&self.fd).map_err(failed)? {
            let item = item.map_err(failed)?;
            let name = item.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a directory with exactly this mode.
    pub(crate) fn make(&self, name: &str, mode: u32) -> Result<(), Errno> {
        mkdirat(&self.fd, name, Mode::RWXU)?;
        chmodat(&self.fd, name, Mode::from_raw_mode(mode), AtFlags::empty())
    }

    pub(crate) fn open_dir(&self, name: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.fd, name, flags, Mode::empty())
    }

    /// Moves a directory to another room, where that name must be free.
    pub(crate) fn hand_over(&self, name: &str, to: &Self, new_name: &str) -> Result<(), Errno> {
        renameat_with(&self.fd, name, &to.fd, new_name, RenameFlags::NOREPLACE)
    }

    /// Removes a directory with all that is in it.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        gantry_archive::tree::remove(self.fd.as_fd(), name.as_bytes())
            .map_err(|source| Error::Tree { action: "remove a layer's files", source })
    }
}

/// All directories of the store.
#[derive(Debug)]
pub(crate) struct Dirs {
    pub(crate) layers: Room,
    pub(crate) ingest: Room,
    pub(crate) trash: Room,
    pub(crate) writable: Room,
    /// Writable layers of nobody yet.
    pub(crate) spare: Room,
    trashed: AtomicU64,
}

/// What is beside the layers.
const INGEST: &str = "ingest";
const TRASH: &str = "trash";
const SPARE: &str = "spare";
const POINTS: &str = "points";
const OWN: [&str; 4] = [INGEST, TRASH, SPARE, POINTS];

/// The layer without files.
pub(crate) const EMPTY: u64 = 0;

impl Dirs {
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let given = root;
        let failed = |error| Error::store("find", given, error);
        let root = given.canonicalize().map_err(failed)?;
        // A mount that is attached nowhere has a path that leads elsewhere.
        let identity = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino()));
        let is_same = identity(given).map_err(failed)? == identity(&root).map_err(failed)?;
        if !is_same || root.to_str().is_none_or(|text| text.contains(',')) {
            return Err(Error::InvalidRoot { path: given.to_owned() });
        }
        let layers = Room::open(root.join("layers"))?;
        let ingest = Room::open(layers.path_of(INGEST))?;
        let trash = Room::open(layers.path_of(TRASH))?;
        let writable = Room::open(root.join("rw"))?;
        let spare = Room::open(layers.path_of(SPARE))?;
        Ok(Self { layers, ingest, trash, writable, spare, trashed: AtomicU64::new(0) })
    }

    /// What there is of layers, and whatever else is not the store's own.
    pub(crate) fn numbered(&self) -> Result<HashSet<String>> {
        let empty = EMPTY.to_string();
        let is_own = |name: &String| *name == empty || OWN.contains(&name.as_str());
        Ok(self.layers.names()?.into_iter().filter(|name| !is_own(name)).collect())
    }

    /// Where a layer's files are: a directory, or an image.
    pub(crate) fn data(&self, number: u64, format: Format) -> PathBuf {
        self.layers.path_of(&number.to_string()).join(format.data())
    }

    /// The directory of the layer without files.
    pub(crate) fn empty(&self) -> PathBuf {
        self.data(EMPTY, Format::Directory)
    }

    /// Where all containers have something mounted.
    pub(crate) fn points(&self) -> PathBuf {
        self.layers.path_of(POINTS)
    }

    /// Whether a layer's files are there.
    pub(crate) fn has(&self, number: u64, format: Format) -> bool {
        let data = self.data(number, format).symlink_metadata();
        data.is_ok_and(|found| found.is_dir() == (format == Format::Directory))
    }

    /// Moves a directory to the trash; whether it was there.
    pub(crate) fn throw_away(&self, room: &Room, name: &str) -> Result<bool> {
        self.to_trash(&room.path_of(name), |number| room.hand_over(name, &self.trash, number))
    }

    /// The same for one that is elsewhere on this file system.
    pub(crate) fn throw_away_other(&self, path: &Path) -> Result<bool> {
        let give =
            |number: &str| renameat_with(CWD, path, &self.trash.fd, number, RenameFlags::NOREPLACE);
        self.to_trash(path, give)
    }

    /// Finds a free number in the trash for what `give` moves there.
    fn to_trash(&self, path: &Path, give: impl Fn(&str) -> Result<(), Errno>) -> Result<bool> {
        loop {
            let number = self.trashed.fetch_add(1, Ordering::Relaxed);
            match give(&number.to_string()) {
                Ok(()) => return Ok(true),
                Err(Errno::NOENT) => return Ok(false),
                // Left from before a restart.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(Error::store("move to the trash", path, error)),
            }
        }
    }
}
