//! New content: written to `ingest/`, hashed on the way, and committed by rename.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_sys::uncached::UncachedFile;
use gantry_types::{Algorithm, Digest};

use super::follow::{Follower, Progress};
use super::parts::Part;
use super::transfer::{self, Opened, Transfer, record_path};
use super::{Hasher, Store};
use crate::lease::Lease;
use crate::load::tap::{Pieces, Tap};
use crate::{Error, Result};

/// How much is read, hashed and written at once, in bytes.
const PIECE: usize = 1 << 20;

/// Takes the content of one blob.
#[derive(Debug)]
pub struct BlobWriter {
    base: Foundation,
    hasher: Hasher,
    size_bytes: u64,
    /// What an earlier transfer left beyond a gap.
    beyond: Vec<Part>,
}

/// What writing in one piece and in parts have in common.
#[derive(Debug)]
pub(super) struct Foundation {
    store: Arc<Store>,
    file: File,
    partial: Partial,
    progress: Told,
}

impl Foundation {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.partial.path
    }

    /// Where it is noted which parts of the file are there.
    pub(super) fn record_path(&self) -> PathBuf {
        record_path(&self.partial.path)
    }

    /// Tells followers of more.
    pub(super) fn tell(&self, count: u64) {
        self.progress.0.written(usize::try_from(count).unwrap_or(usize::MAX));
    }
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
    transfer: Option<Transfer>,
}

impl Drop for Partial {
    fn drop(&mut self) {
        // With nothing in it, there is nothing to go on with.
        let is_empty = || fs::metadata(&self.path).is_ok_and(|found| found.len() == 0);
        if self.stays && !is_empty() {
            return;
        }
        let record = self.transfer.is_some().then(|| record_path(&self.path));
        for path in record.iter().chain([&self.path]) {
            match fs::remove_file(path) {
                Ok(()) => {}
                // It has been renamed into the store, or there was no record.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // It stays until the store is opened again.
                Err(error) => tracing::warn!(path = %path.display(), %error, "cannot remove"),
            }
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
        let partial = Partial { path, stays: false, transfer: None };
        let base =
            Foundation { store: Arc::clone(store), file, partial, progress: Told::default() };
        Ok(Self { base, hasher: Hasher::new(algorithm), size_bytes: 0, beyond: Vec::new() })
    }

    /// A writer for a blob of a known digest that comes from afar. It has what an earlier transfer left, and what it
    /// has itself when it is dropped stays for a later one. Whoever calls this for a blob that is on its way waits.
    pub(crate) fn resume(store: &Arc<Store>, digest: &Digest, size_bytes: u64) -> Result<Self> {
        let transfer = Transfer::begin(store, digest);
        let Opened { path, file, hasher, front, beyond } = transfer.open(size_bytes)?;
        let partial = Partial { path, stays: true, transfer: Some(transfer) };
        let base =
            Foundation { store: Arc::clone(store), file, partial, progress: Told::default() };
        base.tell(front);
        Ok(Self { base, hasher, size_bytes: front, beyond })
    }

    /// Leaves nothing for a later transfer: what came in is not what it should be.
    pub fn discard(mut self) {
        self.base.partial.stays = false;
    }

    /// Whether an earlier transfer left more than the beginning: [`Self::into_parts`] goes on with all of it.
    pub fn has_parts(&self) -> bool {
        !self.beyond.is_empty()
    }

    /// What the writer in parts begins with.
    pub(super) fn dismantle(self) -> (Foundation, Hasher, u64, Vec<Part>) {
        (self.base, self.hasher, self.size_bytes, self.beyond)
    }

    /// A writer that goes on after the first `size_bytes`, which the hash has; the rest is cut off.
    pub(super) fn assemble(base: Foundation, hasher: Hasher, size_bytes: u64) -> Result<Self> {
        let fail = |source| Error::io("cut", base.path(), source);
        base.file.set_len(size_bytes).map_err(fail)?;
        (&base.file).seek(SeekFrom::Start(size_bytes)).map_err(fail)?;
        transfer::forget_record(base.path())?;
        Ok(Self { base, hasher, size_bytes, beyond: Vec::new() })
    }

    /// A reader of all that is and will be written. It ends where the content ends, and fails when the writer is
    /// dropped before that.
    pub fn follow(&self) -> Result<Follower> {
        let path = self.base.path();
        let file = File::open(path).map_err(|source| Error::io("open", path, source))?;
        Ok(Follower { file, progress: Arc::clone(&self.base.progress.0), read_bytes: 0 })
    }

    /// How much was written up to now, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Adds bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.base
            .file
            .write_all(bytes)
            .map_err(|source| Error::io("write", self.base.path(), source))?;
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.base.progress.0.written(bytes.len());
        Ok(())
    }

    /// Adds all that `input` has, `limit_bytes` at most, past the page cache where it is much; `tap` gets it, too.
    /// `on_input` turns what the input's failure is into an error.
    pub(crate) fn append_all(
        &mut self,
        input: &mut dyn Read,
        limit_bytes: u64,
        on_input: fn(io::Error) -> Error,
        mut tap: Option<Tap>,
    ) -> Result<()> {
        let path = self.base.path().to_owned();
        let failed = |source| Error::io("write", &path, source);
        let mut file = UncachedFile::new(self.base.file.try_clone().map_err(failed)?);
        let mut pieces = Pieces::of(PIECE);
        loop {
            let piece = pieces.read(input).map_err(on_input)?;
            let bytes = piece.bytes();
            if bytes.is_empty() {
                break;
            }
            if self.size_bytes + bytes.len() as u64 > limit_bytes {
                return Err(Error::OverLimit {
                    what: "the content of the archive".to_owned(),
                    limit: format!("{limit_bytes} bytes"),
                });
            }
            tap = tap.filter(|tap| tap.fill(&piece));
            file.write_all_at(bytes, self.size_bytes).map_err(failed)?;
            self.hasher.update(bytes);
            self.size_bytes += bytes.len() as u64;
            self.base.progress.0.written(bytes.len());
        }
        (&self.base.file).seek(SeekFrom::Start(self.size_bytes)).map_err(failed)?;
        Ok(())
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
        self.base.progress.0.whole();
        // Whole content is taken, or it is not what it should be: nothing to go on with.
        self.base.partial.stays = false;
        Staged {
            store: self.base.store,
            partial: self.base.partial,
            digest: self.hasher.finish(),
            size_bytes: self.size_bytes,
        }
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.base.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size_bytes += count as u64;
        self.base.progress.0.written(count);
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
