//! The content store: `blobs/<algorithm>/ab/<hex>`, filled by rename from `ingest/`, emptied by
//! rename to `trash/`.

mod follow;
mod hash;
mod parts;
pub(crate) mod transfer;
pub(crate) mod trash;
mod writer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gantry_db::Db;
use gantry_types::{Algorithm, Digest};

pub use follow::Follower;
pub(crate) use hash::Hasher;
pub use parts::{Part, PartsWriter};
pub(crate) use writer::Staged;
pub use writer::{BlobWriter, Committed};

use crate::elsewhere::{Blob, Elsewhere};
use crate::lease::Leases;
use crate::record;
use crate::{Config, Error, Images, Result};
use transfer::Transfers;
use trash::Trash;

/// Files of ours in the folders that services share start with this.
pub(crate) const PREFIX: &str = "blob-";

impl Images {
    /// A writer for new content. Nothing is in the store before [`BlobWriter::commit`]; a writer
    /// that is dropped leaves nothing behind.
    pub fn blob_writer(&self, algorithm: Algorithm) -> Result<BlobWriter> {
        BlobWriter::new(&self.store, algorithm)
    }

    /// Opens content for reading.
    ///
    /// # Errors
    /// [`Error::Io`] with `NotFound` as its source when the store does not have it, and it is not elsewhere.
    pub fn open_blob(&self, digest: &Digest) -> Result<Blob> {
        self.store.open(digest)
    }

    /// Waits until what was removed is off the disk. It goes by itself behind whoever removed it.
    pub fn empty_trash(&self) {
        self.store.trashed.wait_until_empty();
    }
}

/// The folders, and who keeps which blob.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    pub(crate) db: Arc<Db>,
    /// Where content is that the store has let go.
    pub(crate) elsewhere: Option<Arc<dyn Elsewhere>>,
    pub(crate) leases: Leases,
    pub(crate) transfers: Transfers,
    pub(crate) trashed: Trash,
    next: AtomicU64,
}

impl Store {
    pub(crate) fn new(config: Config, db: Arc<Db>) -> Self {
        let Config { root, elsewhere } = config;
        Self {
            root,
            db,
            elsewhere,
            leases: Leases::default(),
            transfers: Transfers::default(),
            trashed: Trash::default(),
            next: AtomicU64::new(0),
        }
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(crate) fn ingest(&self) -> PathBuf {
        self.root.join("ingest")
    }

    pub(crate) fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.blobs().join(digest.algorithm().as_str()).join(&hex[..2]).join(hex)
    }

    /// A file name that no one has used since the store was opened, when all of them were cleared.
    pub(crate) fn fresh(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{PREFIX}{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// Moves a file that was written and checked to its place.
    fn put(&self, from: &Path, digest: &Digest) -> Result<()> {
        let to = self.blob_path(digest);
        let folder = to.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(|source| Error::io("create", folder, source))?;
        // It also replaces what is there: should that be damaged, the fresh content heals it.
        fs::rename(from, &to).map_err(|source| Error::io("move a blob to", &to, source))
    }

    fn has_users(&self, digest: &Digest) -> Result<bool> {
        self.db.read(|tx| record::has_users(tx, digest))
    }

    /// Removes a blob that neither an image nor a lease has; whether it was there to remove.
    pub(crate) fn sweep(&self, digest: &Digest) -> Result<bool> {
        let path = self.blob_path(digest);
        let trash = self.fresh(&self.trash());
        {
            let leases = self.leases.freeze();
            if leases.count(digest) > 0 || self.has_users(digest)? {
                return Ok(false);
            }
            match fs::rename(&path, &trash) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(source) => return Err(Error::io("move to the trash", &path, source)),
            }
        }
        // Only now the disk works, and nobody waits for it.
        self.trashed.remove(trash)?;
        Ok(true)
    }
}
