//! New content: written to `ingest/`, hashed on the way, and committed by rename.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_types::{Algorithm, Digest};

use super::follow::{Follower, Progress};
use super::transfer::Transfer;
use super::{Hasher, Store};
use crate::lease::Lease;
use crate::{Error, Result};

/// How much is read, hashed and written at once, in bytes.
const CHUNK: usize = 256 << 10;

/// Takes the content of one blob.
#[derive(Debug)]
pub struct BlobWriter {
    store: Arc<Store>,
    file: File,
    partial: Partial,
    hasher: Hasher,
    size_bytes: u64,
    progress: Told,
}

/// Tells followers when the writer is dropped on the way.
#[derive(Debug, Default)]
struct Told(Arc<Progress>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.given_up();
    }
}

/// A blob that is in the store now.
#[derive(Debug)]
pub struct Committed {
    /// Its digest.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
    /// What keeps it until an image has it.
    pub lease: Lease,
}

/// A file in `ingest/`, unlinked when dropped, unless a later transfer is to go on with it.
#[derive(Debug)]
struct Partial {
    path: PathBuf,
    stays: bool,
    /// Held until the content is in its place, so that the next one finds it there.
    _transfer: Option<Transfer>,
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        match fs::remove_file(&self.path) {
            Ok(()) => {}
            // It has been renamed into the store.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // It stays until the store is opened again.
            Err(error) => tracing::warn!(path = %self.path.display(), %error, "cannot remove"),
        }
    }
}

impl BlobWriter {
    pub(crate) fn new(store: &Arc<Store>, algorithm: Algorithm) -> Result<Self> {
        let path = store.fresh(&store.ingest());
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| Error::io("create", &path, source))?;
        Ok(Self {
            store: Arc::clone(store),
            file,
            partial: Partial { path, stays: false, _transfer: None },
            hasher: Hasher::new(algorithm),
            size_bytes: 0,
            progress: Told::default(),
        })
    }

    /// A writer for a blob of a known digest that comes from afar. It has what an earlier transfer left, and what it
    /// has itself when it is dropped stays for a later one. Whoever calls this for a blob that is on its way waits.
    pub(crate) fn resume(store: &Arc<Store>, digest: &Digest, size_bytes: u64) -> Result<Self> {
        let transfer = Transfer::begin(store, digest);
        let (path, file, hasher, size_bytes) = transfer.open(size_bytes)?;
        let progress = Told::default();
        progress.0.written(usize::try_from(size_bytes).unwrap_or(usize::MAX));
        let partial = Partial { path, stays: true, _transfer: Some(transfer) };
        Ok(Self { store: Arc::clone(store), file, partial, hasher, size_bytes, progress })
    }

    /// A reader of all that is and will be written. It ends where the content ends, and fails when the writer is
    /// dropped before that.
    pub fn follow(&self) -> Result<Follower> {
        let path = &self.partial.path;
        let file = File::open(path).map_err(|source| Error::io("open", path, source))?;
        Ok(Follower { file, progress: Arc::clone(&self.progress.0), read_bytes: 0 })
    }

    /// How much was written up to now, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Adds bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|source| Error::io("write", &self.partial.path, source))?;
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.progress.0.written(bytes.len());
        Ok(())
    }

    /// Adds all that `input` has, `limit_bytes` at most. `on_input` turns what the input's failure
    /// is into an error.
    pub(crate) fn append_all(
        &mut self,
        input: &mut dyn Read,
        limit_bytes: u64,
        on_input: fn(io::Error) -> Error,
    ) -> Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = match input.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(on_input(error)),
            };
            if self.size_bytes + count as u64 > limit_bytes {
                return Err(Error::OverLimit {
                    what: "the content of the archive".to_owned(),
                    limit: format!("{limit_bytes} bytes"),
                });
            }
            self.append(&chunk[..count])?;
        }
    }

    /// Puts the content into the store, under a lease.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`] when it is not what was expected; nothing is left then.
    pub fn commit(self, expected: Option<&Digest>) -> Result<Committed> {
        let staged = self.finish();
        if let Some(expected) = expected
            && *expected != staged.digest
        {
            return Err(Error::DigestMismatch {
                name: "the blob".to_owned(),
                expected: expected.clone(),
                actual: staged.digest.clone(),
            });
        }
        let mut lease = Lease::none(&staged.store);
        let (digest, size_bytes) = (staged.digest.clone(), staged.size_bytes);
        staged.commit(&mut lease)?;
        Ok(Committed { digest, size_bytes, lease })
    }

    /// Ends the content without putting it into the store.
    pub(crate) fn finish(mut self) -> Staged {
        self.progress.0.whole();
        // Whole content is taken, or it is not what it should be: nothing to go on with.
        self.partial.stays = false;
        Staged {
            store: self.store,
            partial: self.partial,
            digest: self.hasher.finish(),
            size_bytes: self.size_bytes,
        }
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size_bytes += count as u64;
        self.progress.0.written(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whole content with a known digest, still in `ingest/`.
#[derive(Debug)]
pub(crate) struct Staged {
    store: Arc<Store>,
    partial: Partial,
    pub(crate) digest: Digest,
    pub(crate) size_bytes: u64,
}

impl Staged {
    pub(crate) fn path(&self) -> &Path {
        &self.partial.path
    }

    pub(crate) fn open(&self) -> Result<File> {
        File::open(self.path()).map_err(|source| Error::io("open", self.path(), source))
    }

    /// Moves it into the store; `lease` keeps it there.
    pub(crate) fn commit(self, lease: &mut Lease) -> Result<()> {
        lease.add(&self.digest);
        self.store.put(self.path(), &self.digest)
    }
}
