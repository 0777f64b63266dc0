//! Blobs that come from afar under a digest that is known before: one transfer of each at a time, and what came in
//! stays for the next one when it breaks off, even over a `kill -9`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use gantry_types::Digest;

use super::parts::{Part, read_record};
use super::{Hasher, Store};
use crate::{Error, Result};

/// The names of files that wait for their rest start with this.
const PREFIX: &str = "partial-";

/// What nobody has gone on with for so long is removed when the store is opened.
const KEPT_FOR: Duration = Duration::from_hours(7 * 24);

/// How much is read at once, in bytes.
const CHUNK: usize = 256 << 10;

/// The digests on their way.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    running: Mutex<HashSet<Digest>>,
    ended: Condvar,
}

/// A file on its way, as an earlier transfer left it.
pub(super) struct Opened {
    pub(super) path: PathBuf,
    /// Its next byte that is written comes after the front.
    pub(super) file: File,
    /// Of the bytes before the front.
    pub(super) hasher: Hasher,
    /// Where the first gap begins, or where it ends.
    pub(super) front: u64,
    /// What is there beyond the first gap.
    pub(super) beyond: Vec<Part>,
}

/// The right to transfer one blob, until it is dropped.
#[derive(Debug)]
pub(super) struct Transfer {
    store: Arc<Store>,
    digest: Digest,
}

impl Transfers {
    fn lock(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transfer {
    /// Waits until nobody else transfers this blob.
    pub(super) fn begin(store: &Arc<Store>, digest: &Digest) -> Self {
        let mut running = store.transfers.lock();
        while running.contains(digest) {
            running = store.transfers.ended.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
        running.insert(digest.clone());
        Self { store: Arc::clone(store), digest: digest.clone() }
    }

    /// The file for its bytes, with what an earlier transfer left.
    pub(super) fn open(&self, size_bytes: u64) -> Result<Opened> {
        let path = self.store.partial_path(&self.digest);
        let failed = |source| Error::io("open", &path, source);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let mut length = file.metadata().map_err(failed)?.len();
        if length > size_bytes {
            file.set_len(0).map_err(failed)?;
            length = 0;
        }
        let (front, beyond) = read_record(&record_path(&path), length).unwrap_or((length, vec![]));
        if beyond.is_empty() {
            file.set_len(front).map_err(failed)?;
            forget_record(&path)?;
        }
        let mut hasher = Hasher::new(self.digest.algorithm());
        hash(&mut file, front, &mut hasher).map_err(failed)?;
        Ok(Opened { path, file, hasher, front, beyond })
    }
}

impl Store {
    /// Where a blob that comes from afar is written.
    fn partial_path(&self, digest: &Digest) -> PathBuf {
        self.ingest().join(format!("{PREFIX}{}-{}", digest.algorithm().as_str(), digest.hex()))
    }

    /// Leaves nothing of a blob for a later transfer, unless somebody is transferring it now.
    pub(crate) fn forget_partial(&self, digest: &Digest) -> Result<()> {
        let running = self.transfers.lock();
        if running.contains(digest) {
            return Ok(());
        }
        let path = self.partial_path(digest);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &path, source))
            }
            _ => forget_record(&path),
        }
    }

    /// Lets a later transfer find a blob that one lease alone has: as what came in of it, which is all.
    pub(crate) fn set_aside(&self, digest: &Digest) -> Result<()> {
        let leases = self.leases.freeze();
        if leases.count(digest) > 1 || self.has_users(digest)? {
            return Ok(());
        }
        let (from, to) = (self.blob_path(digest), self.partial_path(digest));
        fs::rename(&from, &to).map_err(|source| Error::io("set aside", &from, source))
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.store.transfers.lock().remove(&self.digest);
        self.store.transfers.ended.notify_all();
    }
}

/// Hashes the beginning of a file; the next byte that is written comes after it.
fn hash(file: &mut File, length: u64, hasher: &mut Hasher) -> io::Result<()> {
    let (mut chunk, mut left) = (vec![0; CHUNK], length);
    while left > 0 {
        let limit = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        file.read_exact(&mut chunk[..limit])?;
        hasher.update(&chunk[..limit]);
        left -= limit as u64;
    }
    Ok(())
}

/// Where it is noted which parts of a file are there.
pub(super) fn record_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".parts");
    name.into()
}

/// Without a record, a file has no gaps.
pub(super) fn forget_record(path: &Path) -> Result<()> {
    let path = record_path(path);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", &path, source))
        }
        _ => Ok(()),
    }
}

/// Removes what has waited too long for its rest.
pub(crate) fn expire(paths: &[PathBuf]) -> Result<()> {
    for path in paths.iter().filter(|path| is_partial(path) && is_old(path)) {
        fs::remove_file(path).map_err(|source| Error::io("remove", path, source))?;
    }
    Ok(())
}

fn is_partial(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
}

fn is_old(path: &Path) -> bool {
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified());
    let age = changed.ok().and_then(|changed| SystemTime::now().duration_since(changed).ok());
    age.is_some_and(|age| age > KEPT_FOR)
}
