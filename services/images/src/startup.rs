//! Opening the store: what an earlier end left behind goes, and what is missing is told.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_db::Db;
use gantry_types::{Algorithm, Digest};

use crate::blobs::{Hasher, PREFIX, Store, transfer};
use crate::listed::Listed;
use crate::record::{self, IMAGES, ImageRow, SCHEMA};
use crate::{Config, Error, ImageId, Images, Result};

/// An image whose record is there, but not all of its blobs. Its containers need its layers, not its
/// blobs; saving or pushing it fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    /// The image.
    pub image: ImageId,
    /// The blobs that are missing or damaged.
    pub missing: Vec<Digest>,
}

impl Images {
    /// Opens the store, or makes an empty one. Partial input and blobs without a record go; what came in of a blob
    /// from afar stays for a while.
    pub fn open(config: Config, db: Arc<Db>) -> Result<Self> {
        let store = Arc::new(Store::new(config, Arc::clone(&db)));
        for folder in [store.blobs(), store.ingest(), store.trash()] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(|source| Error::io("create", &folder, source))?;
        }
        clear(&store.ingest())?;
        transfer::expire(&entries(&store.ingest())?)?;
        clear(&store.trash())?;
        db.migrate(&SCHEMA)?;
        for digest in all_blobs(&store.blobs())? {
            store.sweep(&digest)?;
        }
        let incomplete = find_incomplete(&store, &db)?;
        Ok(Self { db, store, incomplete, listed: Listed::default() })
    }

    /// The images of which blobs were missing when the store was opened.
    pub fn incomplete(&self) -> &[Incomplete] {
        &self.incomplete
    }

    /// Flushes to the disk what was recorded up to now, so that it survives a power cut. Slow: for
    /// a quiet moment.
    pub fn sync(&self) -> Result<()> {
        let unsynced: Vec<String> = self
            .rows()?
            .into_iter()
            .filter_map(|(key, row)| row.unsynced_boot.map(|_| key))
            .collect();
        if unsynced.is_empty() {
            return Ok(());
        }
        let root = self.store.blobs();
        let folder = fs::File::open(&root).map_err(|source| Error::io("open", &root, source))?;
        rustix::fs::syncfs(&folder)
            .map_err(|errno| Error::io("flush the disk of", &root, errno.into()))?;
        self.db.write(|tx| {
            for key in unsynced {
                if let Some(mut row) = IMAGES.get(tx, &key)? {
                    row.unsynced_boot = None;
                    IMAGES.put(tx, &key, &row)?;
                }
            }
            Ok(())
        })
    }

    fn rows(&self) -> Result<Vec<(String, ImageRow)>> {
        Ok(self.db.read(|tx| IMAGES.list(tx))?)
    }
}

/// What tells this boot of the machine from others.
pub(crate) fn boot_id() -> Result<String> {
    gantry_sys::boot_id::boot_id()
        .map_err(|source| Error::io("read", Path::new(gantry_sys::boot_id::PATH), source))
}

fn find_incomplete(store: &Store, db: &Db) -> Result<Vec<Incomplete>> {
    let rows = db.read(|tx| IMAGES.list(tx))?;
    let boot = boot_id()?;
    let mut incomplete = Vec::new();
    for (key, row) in rows {
        // Of another boot, the sizes can be right and the content lost.
        let suspect = row.unsynced_boot.is_some_and(|id| id != boot);
        let mut missing = Vec::new();
        for (digest, size_bytes) in row.blobs {
            let is_elsewhere = || store.size_elsewhere(&digest) == Some(size_bytes);
            if !is_sound(&store.blob_path(&digest), &digest, size_bytes, suspect)?
                && !is_elsewhere()
            {
                missing.push(digest);
            }
        }
        if !missing.is_empty() {
            incomplete.push(Incomplete { image: record::parse_id(&key)?, missing });
        }
    }
    Ok(incomplete)
}

fn is_sound(path: &Path, digest: &Digest, size_bytes: u64, suspect: bool) -> Result<bool> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(Error::io("open", path, source)),
    };
    let metadata = file.metadata().map_err(|source| Error::io("examine", path, source))?;
    if metadata.len() != size_bytes || !suspect {
        return Ok(metadata.len() == size_bytes);
    }
    Ok(digest_of(file, digest.algorithm()).map_err(|source| Error::io("read", path, source))?
        == *digest)
}

pub(crate) fn digest_of(mut input: impl io::Read, algorithm: Algorithm) -> io::Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    let mut chunk = vec![0; 256 << 10];
    loop {
        match input.read(&mut chunk)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&chunk[..count]),
        }
    }
}

/// Removes our files from a folder that services share.
fn clear(folder: &Path) -> Result<()> {
    for path in entries(folder)? {
        let ours = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
        if ours {
            fs::remove_file(&path).map_err(|source| Error::io("remove", &path, source))?;
        }
    }
    Ok(())
}

/// Every blob in the store. Files with names of another form are not ours and stay.
pub(crate) fn all_blobs(blobs: &Path) -> Result<Vec<Digest>> {
    let mut digests = Vec::new();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let folder = blobs.join(algorithm.as_str());
        if !folder.is_dir() {
            continue;
        }
        for shard in entries(&folder)? {
            for path in entries(&shard)? {
                let hex = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                digests.extend(format!("{}:{hex}", algorithm.as_str()).parse::<Digest>());
            }
        }
    }
    Ok(digests)
}

pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let fail = |source| Error::io("list", folder, source);
    fs::read_dir(folder).map_err(fail)?.map(|entry| Ok(entry.map_err(fail)?.path())).collect()
}
