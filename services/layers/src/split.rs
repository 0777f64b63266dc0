//! The archives that layers came from, without keeping them: a layer that is an image of erofs has all the data of its
//! archive's files, so that the archive is that data and what lies between (tar-split's idea). What lies between, and
//! where the data is, stands in a file beside the image, the layer's split; it goes with the layer. A layer that was a
//! container's upper directory has one from its beginning (`keep.rs`), and never had an archive.
//!
//! A split is in its place only when the archive was put together from it once and had the layer's diffID, and when it is
//! on the disk for certain: whoever finds one needs no other copy. How it is written is `split/outline.rs`, made
//! `split/make.rs`, read `split/archive.rs`. Who may do without the archive, the caller knows.

mod archive;
mod make;
pub(crate) mod outline;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use gantry_archive::{Hashing, Limits};
use gantry_erofs::Image;
use gantry_types::{Digest, ErrorKind};
use rustix::fs::{AtFlags, Mode, OFlags, openat};
use rustix::io::Errno;

pub use self::archive::Archive;
use self::archive::Source;
use self::outline::Outline;

use crate::row::{Key, LAYERS, LayerRow};
use crate::state::Shared;
use crate::{Error, Format, Layers, Result};

/// The split's file, beside the image.
pub(crate) const SPLIT: &str = "layer.split";

/// An archive that is shorter is not worth a file.
pub(crate) const WORTH_BYTES: u64 = 64 << 10;

/// What a split may take of what it spares: one part of so many.
const WORTH_PART: u64 = 4;

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splitting {
    /// The archive can be put together from the layer from now on.
    Done,
    /// It was done before.
    WasDone,
    /// This layer's archive has to be kept: it would be no smaller, or the layer's form has no data of its own.
    Unfit,
    /// The layer is not here, or not on the disk for certain yet.
    NotYet,
}

/// The archives of layers; see the head of this file. It can be kept beside [`Layers`].
#[derive(Debug, Clone)]
pub struct Archives {
    shared: Arc<Shared>,
}

impl Layers {
    /// The archives that can be put together.
    pub fn archives(&self) -> Archives {
        Archives { shared: Arc::clone(&self.shared) }
    }

    /// Makes a layer's archive dispensable, where that spares something: reads `archive`, which is that archive, from
    /// its first byte, finds its data in the layer, and tries whether the result is the same. Nothing is locked while it
    /// reads; a layer that is removed meanwhile takes the result with it.
    ///
    /// # Errors
    /// The disk is full ([`Error::Full`]), the layer's image is damaged, or a step failed; nothing is left then.
    pub fn split(&self, diff_id: &Digest, archive: &File) -> Result<Splitting> {
        let Some(row) = self.shared.splittable(diff_id) else { return Ok(Splitting::NotYet) };
        if row.format != Format::Erofs || row.unfit_for_split {
            return Ok(Splitting::Unfit);
        }
        if let Some((split, row)) = self.shared.split_of(diff_id) {
            // Somebody brought the archive in again, perhaps because the layer is damaged.
            if is_same(&split, self.shared.image_of(&row)?, diff_id) {
                // Whoever put it there may have died before this.
                split.sync_all().map_err(|error| self.shared.store_failed("flush", error))?;
                self.shared.settle(row.number)?;
                return Ok(Splitting::WasDone);
            }
            self.shared.forget_split(&row)?;
            return Ok(Splitting::Unfit);
        }
        let store = &self.shared.dirs.layers.path;
        let failed = |source| Error::split(diff_id, store, source);
        let length = archive.metadata().map_err(failed)?.len();
        if length < WORTH_BYTES {
            return Ok(Splitting::Unfit);
        }
        let draft = Draft::make(&self.shared, row.number)?;
        let image = self.shared.image_of(&row)?;
        let outline = Outline::new(draft.open(OFlags::WRONLY)?, length).map_err(failed)?;
        let limits = Limits::default();
        make::make(archive, &image, outline, &limits).map_err(|source| match source.kind() {
            ErrorKind::StorageFull => Error::Full { path: store.clone() },
            _ => failed(io::Error::other(source)),
        })?;
        let split = draft.open(OFlags::RDONLY)?;
        let split_bytes = split.metadata().map_err(failed)?.len();
        if split_bytes > length / WORTH_PART || !is_same(&split, image, diff_id) {
            self.shared.note_unfit(diff_id, row.number)?;
            return Ok(Splitting::Unfit);
        }
        split.sync_all().map_err(|error| self.shared.store_failed("flush", error))?;
        draft.place(diff_id)
    }
}

/// Whether the archive that comes out is the layer's: the proof, without which nobody may do without the archive.
fn is_same(split: &File, image: Image, diff_id: &Digest) -> bool {
    let prove = || -> io::Result<Digest> {
        let archive = Archive::new(split.try_clone()?, Source::Image(image))?;
        let mut hashing = Hashing::new(archive, diff_id.algorithm());
        io::copy(&mut hashing, &mut io::sink())?;
        Ok(hashing.digest())
    };
    match prove() {
        Ok(digest) if digest == *diff_id => true,
        Ok(digest) => {
            tracing::warn!(%diff_id, %digest, "a layer's archive comes out as another: it is kept");
            false
        }
        Err(error) => {
            tracing::warn!(%diff_id, %error, "a layer's archive cannot be put together: it is kept");
            false
        }
    }
}

impl Archives {
    /// Bytes of a layer's archive, when it can be put together.
    pub fn size_bytes(&self, diff_id: &Digest) -> Option<u64> {
        let (split, _) = self.shared.split_of(diff_id)?;
        outline::length(&split).ok()
    }

    /// A layer's archive, from its first byte; nothing when it cannot be put together. What was opened can be read to
    /// its end even if the layer goes.
    ///
    /// # Errors
    /// The layer is damaged, or a step failed.
    pub fn open(&self, diff_id: &Digest) -> Result<Option<Archive>> {
        let Some((split, row)) = self.shared.split_of(diff_id) else { return Ok(None) };
        let source = match row.format {
            Format::Erofs => Source::Image(self.shared.image_of(&row)?),
            Format::Directory => Source::Directory(self.shared.files_of(&row)?, None),
        };
        let archive = Archive::new(split, source);
        let failed = |source| Error::split(diff_id, &self.shared.dirs.layers.path, source);
        Ok(Some(archive.map_err(failed)?))
    }
}

impl Shared {
    /// The row of a layer whose archive may be dispensable: on the disk for certain, and not one of those that are kept
    /// for one chain only, so that it stays as long as anybody has the layer.
    fn splittable(&self, diff_id: &Digest) -> Option<LayerRow> {
        self.plain(diff_id).filter(|row| row.synced)
    }

    fn plain(&self, diff_id: &Digest) -> Option<LayerRow> {
        self.state().rows.get(&Key::plain(diff_id)).cloned()
    }

    /// A layer's split, if it is there, and whose it is.
    fn split_of(&self, diff_id: &Digest) -> Option<(File, LayerRow)> {
        // That of a directory has come with it, and would be lost with it: it counts at once.
        let row =
            self.plain(diff_id).filter(|row| row.synced || row.format == Format::Directory)?;
        let name = format!("{}/{SPLIT}", row.number);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let split = openat(&self.dirs.layers.fd, name, flags, Mode::empty()).ok()?;
        Some((split.into(), row))
    }

    fn forget_split(&self, row: &LayerRow) -> Result<()> {
        let name = format!("{}/{SPLIT}", row.number);
        match rustix::fs::unlinkat(&self.dirs.layers.fd, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Error::store("remove", &self.dirs.layers.path_of(&name), error)),
        }
    }

    /// Sees to it that the names in a layer's directory are on the disk.
    fn settle(&self, number: u64) -> Result<()> {
        let layers = &self.dirs.layers;
        let place = layers.open_dir(&number.to_string());
        place
            .and_then(|place| rustix::fs::fsync(place.as_fd()))
            .map_err(|error| Error::store("flush", &layers.path_of(&number.to_string()), error))
    }

    fn image_of(&self, row: &LayerRow) -> Result<Image> {
        let path = self.dirs.data(row.number, row.format);
        let file = File::open(&path).map_err(|error| Error::store("open", &path, error))?;
        Image::open(file).map_err(|source| Error::damaged(&path, source))
    }

    fn files_of(&self, row: &LayerRow) -> Result<OwnedFd> {
        let path = self.dirs.data(row.number, row.format);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|error| Error::store("open", &path, error))
    }

    /// So that nobody tries it again at every start.
    fn note_unfit(&self, diff_id: &Digest, number: u64) -> Result<()> {
        let key = Key::plain(diff_id);
        let mut state = self.state();
        let Some(row) = state.rows.get(&key).filter(|row| row.number == number) else {
            return Ok(());
        };
        let row = LayerRow { unfit_for_split: true, ..row.clone() };
        self.db.write(|tx| LAYERS.put(tx, key.as_str(), &row))?;
        state.rows.insert(key, row);
        Ok(())
    }

    fn store_failed(&self, action: &'static str, source: impl Into<io::Error>) -> Error {
        Error::store(action, &self.dirs.ingest.path, source)
    }
}

/// A split on its way; it goes when it is dropped before it is in its place.
struct Draft<'a> {
    shared: &'a Shared,
    number: u64,
    name: String,
    placed: bool,
}

impl<'a> Draft<'a> {
    fn make(shared: &'a Shared, number: u64) -> Result<Self> {
        let draft = Self { shared, number, name: format!("split-{number}"), placed: false };
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let made = openat(&shared.dirs.ingest.fd, &draft.name, flags, mode);
        made.map_err(|error| Error::store("make", &draft.path(), error))?;
        Ok(draft)
    }

    fn path(&self) -> PathBuf {
        self.shared.dirs.ingest.path_of(&self.name)
    }

    fn open(&self, access: OFlags) -> Result<File> {
        let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.shared.dirs.ingest.fd, &self.name, flags, Mode::empty());
        Ok(opened.map_err(|error| Error::store("open", &self.path(), error))?.into())
    }

    /// Puts it beside the image, unless the layer went meanwhile; then it is on the disk for certain.
    fn place(mut self, diff_id: &Digest) -> Result<Splitting> {
        let _claim = self.shared.claim(diff_id);
        let is_there = self.shared.splittable(diff_id).is_some_and(|row| row.number == self.number);
        if !is_there {
            return Ok(Splitting::NotYet);
        }
        let dirs = &self.shared.dirs;
        let name = format!("{}/{SPLIT}", self.number);
        let failed = |error: Errno| Error::store("move to", &dirs.layers.path_of(&name), error);
        rustix::fs::renameat(&dirs.ingest.fd, &self.name, &dirs.layers.fd, &name)
            .map_err(failed)?;
        self.placed = true;
        self.shared.settle(self.number)?;
        Ok(Splitting::Done)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.placed {
            return;
        }
        if let Err(error) = self.shared.dirs.ingest.remove(&self.name) {
            tracing::warn!(%error, "cannot remove what was made of a layer's archive; the next start tries again");
        }
    }
}
