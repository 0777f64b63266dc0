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

    /// The file for its bytes with what an earlier transfer left, the hash of that, and its length.
    pub(super) fn open(&self, size_bytes: u64) -> Result<(PathBuf, File, Hasher, u64)> {
        let name = format!("{PREFIX}{}-{}", self.digest.algorithm().as_str(), self.digest.hex());
        let path = self.store.ingest().join(name);
        let failed = |source| Error::io("open", &path, source);
        let mut file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        if file.metadata().map_err(failed)?.len() > size_bytes {
            file.set_len(0).map_err(failed)?;
        }
        let mut hasher = Hasher::new(self.digest.algorithm());
        let length = hash(&mut file, &mut hasher).map_err(failed)?;
        Ok((path, file, hasher, length))
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.store.transfers.lock().remove(&self.digest);
        self.store.transfers.ended.notify_all();
    }
}

fn hash(file: &mut File, hasher: &mut Hasher) -> io::Result<u64> {
    let (mut chunk, mut length) = (vec![0; CHUNK], 0);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(length),
            count => {
                hasher.update(&chunk[..count]);
                length += count as u64;
            }
        }
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
