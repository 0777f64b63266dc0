//! Content that lies elsewhere on this machine as well, so that the store need not keep it: which blobs that may be,
//! letting them go, and reading them all the same. Where that is, the caller knows ([`Elsewhere`]).

use std::collections::HashSet;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};

use gantry_types::Digest;

use crate::record::{self, IMAGES};
use crate::{Error, Images, Result};

/// A place from which content can be had whenever it is needed. What it once had stays for as long as an image or a
/// build has the blob.
pub trait Elsewhere: Debug + Send + Sync {
    /// Bytes of the content, when it is there.
    fn size_bytes(&self, digest: &Digest) -> Option<u64>;

    /// The content from its first byte, when it is there. What was opened can be read to its end, whatever goes
    /// meanwhile.
    fn open(&self, digest: &Digest) -> io::Result<Option<Box<dyn Content>>>;
}

/// Content out of such a place.
pub trait Content: Read + Debug + Send {
    /// Passes over the first bytes, before anything was read.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;
}

/// An open blob.
#[derive(Debug)]
pub enum Blob {
    /// A file of the store.
    File(File),
    /// It lies elsewhere.
    Elsewhere(Box<dyn Content>),
}

impl Blob {
    /// Passes over the first bytes, before anything was read.
    pub fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.seek(SeekFrom::Start(bytes)).map(drop),
            Self::Elsewhere(content) => content.skip(bytes),
        }
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Elsewhere(content) => content.read(buffer),
        }
    }
}

impl Images {
    /// The plain layers' blobs that lie in the store, each with its size: what their layers may have as well. The digest
    /// of such a blob is the layer's diffID.
    pub fn plain_layers(&self) -> Result<Vec<(Digest, u64)>> {
        let rows = self.db.read(|tx| IMAGES.list(tx))?;
        let mut found = HashSet::new();
        for (_, row) in rows {
            let is_plain = |digest: &Digest| row.config.rootfs.diff_ids.contains(digest);
            let blobs = row.blobs.into_iter().map(|(digest, _)| digest);
            found.extend(blobs.filter(is_plain));
        }
        found.extend(self.kept_for_builds()?);
        let in_store = found.into_iter().filter_map(|digest| {
            let found = fs::metadata(self.store.blob_path(&digest)).ok()?;
            Some((digest, found.len()))
        });
        Ok(in_store.collect())
    }

    /// Lets a blob go that lies elsewhere, unless somebody is at work with it; whether it went. It can be read as before.
    pub fn let_go(&self, digest: &Digest) -> Result<bool> {
        self.store.let_go(digest)
    }

    /// Bytes of the blobs that lie in the store, each once.
    pub fn stored_bytes(&self) -> Result<u64> {
        let rows = self.db.read(|tx| IMAGES.list(tx))?;
        let blobs = rows.into_iter().flat_map(|(_, row)| row.blobs).map(|(digest, _)| digest);
        let blobs: HashSet<Digest> = blobs.collect();
        let sizes = blobs
            .iter()
            .filter_map(|digest| Some(fs::metadata(self.store.blob_path(digest)).ok()?.len()));
        Ok(sizes.sum())
    }
}

impl super::blobs::Store {
    /// Whether content of that length can be had, from here or elsewhere.
    pub(crate) fn has(&self, digest: &Digest, size_bytes: u64) -> bool {
        match fs::metadata(self.blob_path(digest)) {
            Ok(found) => found.len() == size_bytes,
            Err(_) => self.size_elsewhere(digest) == Some(size_bytes),
        }
    }

    /// Bytes of content that can be had elsewhere.
    pub(crate) fn size_elsewhere(&self, digest: &Digest) -> Option<u64> {
        self.elsewhere.as_ref()?.size_bytes(digest)
    }

    /// Opens content, from here or elsewhere.
    pub(crate) fn open(&self, digest: &Digest) -> Result<Blob> {
        let path = self.blob_path(digest);
        let missing = match File::open(&path) {
            Ok(file) => return Ok(Blob::File(file)),
            Err(error) => error,
        };
        if missing.kind() == io::ErrorKind::NotFound
            && let Some(elsewhere) = &self.elsewhere
            && let Some(content) =
                elsewhere.open(digest).map_err(|source| Error::io("open", &path, source))?
        {
            return Ok(Blob::Elsewhere(content));
        }
        Err(Error::io("open", &path, missing))
    }

    fn let_go(&self, digest: &Digest) -> Result<bool> {
        let path = self.blob_path(digest);
        let trash = self.fresh(&self.trash());
        {
            let leases = self.leases.freeze();
            let is_used = self.db.read(|tx| record::has_users(tx, digest))?;
            let length = match fs::metadata(&path) {
                Ok(found) => found.len(),
                Err(_) => return Ok(false),
            };
            // What nobody has goes by a sweep, and somebody who has a lease may read the file.
            if !is_used || leases.count(digest) > 0 || self.size_elsewhere(digest) != Some(length) {
                return Ok(false);
            }
            fs::rename(&path, &trash)
                .map_err(|source| Error::io("move to the trash", &path, source))?;
        }
        self.trashed.remove(trash)?;
        Ok(true)
    }
}
