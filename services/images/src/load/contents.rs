//! The files of an archive, staged in `ingest/`, by path and by digest. It knows tar, not images.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::sync::Arc;

use gantry_archive::{Compression, EntryKind, EntryPath, Limits, Reader, decompress_any};
use gantry_oci::image::Descriptor;
use gantry_types::{Algorithm, Digest};
use serde::de::DeserializeOwned;

use super::{LoadEvent, LoadWatch, MAX_DOCUMENT_BYTES};
use crate::blobs::{BlobWriter, Staged, Store};
use crate::lease::Lease;
use crate::{Error, Result};

/// Entries in an image archive; each file of it becomes one of ours for a while.
const MAX_ENTRIES: u64 = 100_000;

/// Bytes in all files of an archive together. Before that, most disks are full.
const MAX_BYTES: u64 = 256 << 30;

/// Links from one to the next.
const MAX_LINKS: usize = 8;

#[derive(Debug)]
enum Node {
    File(Digest),
    Link(EntryPath),
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Contents {
    store: Arc<Store>,
    nodes: BTreeMap<EntryPath, Node>,
    staged: HashMap<Digest, Staged>,
    /// What an earlier image of the same archive has taken into the store already.
    committed: HashMap<Digest, u64>,
}

impl Contents {
    pub(crate) fn empty(store: &Arc<Store>) -> Self {
        Self {
            store: Arc::clone(store),
            nodes: BTreeMap::new(),
            staged: HashMap::new(),
            committed: HashMap::new(),
        }
    }

    /// Takes all files of an archive in.
    pub(crate) fn ingest(
        store: &Arc<Store>,
        input: impl Read + Send,
        watch: &mut dyn LoadWatch,
    ) -> Result<Self> {
        let limits = Limits { entries: MAX_ENTRIES, total_bytes: MAX_BYTES, ..Limits::default() };
        let mut contents = Self::empty(store);
        let plain = decompress_any(input, &limits).map_err(Error::Archive)?;
        let mut reader = Reader::new(plain, limits);
        let mut total_bytes = 0;
        while let Some(mut entry) = reader.next_entry().map_err(Error::Archive)? {
            let header = entry.header().clone();
            let path = normalise(&header.path)?;
            let node = match header.kind {
                EntryKind::File => {
                    let mut writer = BlobWriter::new(store, algorithm_of(&path))?;
                    let tap = watch.begins(&printable(&path), header.size);
                    let limit_bytes = MAX_BYTES - total_bytes;
                    writer.append_all(&mut entry, limit_bytes, input_error, tap)?;
                    let staged = writer.finish();
                    total_bytes += staged.size_bytes;
                    watch.event(LoadEvent::Read {
                        path: printable(&path),
                        size_bytes: staged.size_bytes,
                        digest: staged.digest.clone(),
                    });
                    Node::File(contents.stage(staged))
                }
                EntryKind::Symlink { target } => Node::Link(symlink_target(&path, &target)?),
                EntryKind::HardLink { target } => Node::Link(normalise(&target)?),
                // Devices and pipes mean nothing in an image archive; a manifest that points to one
                // finds nothing.
                _ => continue,
            };
            contents.nodes.insert(path, node);
        }
        Ok(contents)
    }

    /// Adds content that did not come in by an archive.
    pub(crate) fn stage(&mut self, staged: Staged) -> Digest {
        let digest = staged.digest.clone();
        self.staged.insert(digest.clone(), staged);
        digest
    }

    /// Adds a document that we made.
    pub(crate) fn stage_bytes(&mut self, bytes: &[u8]) -> Result<(Digest, u64)> {
        let mut writer = BlobWriter::new(&self.store, Algorithm::Sha256)?;
        writer.append(bytes)?;
        Ok((self.stage(writer.finish()), bytes.len() as u64))
    }

    /// Adds content that is in the store; the caller's lease keeps it there.
    pub(crate) fn add_known(&mut self, digest: &Digest, size_bytes: u64) {
        self.committed.insert(digest.clone(), size_bytes);
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        EntryPath::normalise(path.as_bytes()).is_ok_and(|path| self.nodes.contains_key(&path))
    }

    /// The content at a path, links followed.
    pub(crate) fn at(&self, path: &str) -> Result<&Staged> {
        let missing = || Error::InvalidArchive(format!("{path:?} is missing in it"));
        let mut place = normalise(path.as_bytes())?;
        for _ in 0..MAX_LINKS {
            match self.nodes.get(&place) {
                Some(Node::File(digest)) => return self.staged.get(digest).ok_or_else(missing),
                Some(Node::Link(target)) => place = target.clone(),
                None => return Err(missing()),
            }
        }
        Err(Error::InvalidArchive(format!("{path:?} is a link without an end")))
    }

    /// The content that a descriptor points to, with the digest and size that it promises.
    pub(crate) fn described(&self, descriptor: &Descriptor, what: &'static str) -> Result<&Staged> {
        let digest = &descriptor.digest;
        let name = format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex());
        if !self.has(&name) {
            return Err(Error::MissingBlob { what, digest: digest.clone() });
        }
        let staged = self.at(&name)?;
        if staged.digest != *digest {
            let actual = staged.digest.clone();
            return Err(Error::DigestMismatch { name, expected: digest.clone(), actual });
        }
        if staged.size_bytes != descriptor.size {
            let (expected, actual) = (descriptor.size, staged.size_bytes);
            return Err(Error::SizeMismatch { name, expected, actual });
        }
        Ok(staged)
    }

    /// Moves content into the store, or leases it when it is there already.
    pub(super) fn commit(&mut self, digest: &Digest, lease: &mut Lease) -> Result<()> {
        match self.staged.remove(digest) {
            Some(staged) => {
                self.committed.insert(digest.clone(), staged.size_bytes);
                staged.commit(lease)
            }
            None if self.committed.contains_key(digest) => {
                // The earlier image's lease still holds it: it cannot have gone.
                lease.add(digest);
                Ok(())
            }
            None => Err(Error::MissingBlob { what: "blob", digest: digest.clone() }),
        }
    }
}

/// The whole content of a document.
pub(crate) fn read_document(staged: &Staged, name: &str) -> Result<Vec<u8>> {
    if staged.size_bytes > MAX_DOCUMENT_BYTES {
        return Err(Error::OverLimit {
            what: format!("{name} in the image archive"),
            limit: format!("{MAX_DOCUMENT_BYTES} bytes"),
        });
    }
    let mut bytes = Vec::new();
    let mut file = staged.open()?.take(MAX_DOCUMENT_BYTES);
    file.read_to_end(&mut bytes).map_err(|source| Error::io("read", staged.path(), source))?;
    Ok(bytes)
}

/// A document as the value that it should be.
pub(crate) fn parse<T: DeserializeOwned>(
    bytes: &[u8],
    name: &str,
    what: &'static str,
) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|source| Error::InvalidDocument {
        name: name.to_owned(),
        what,
        source,
    })
}

/// How content is compressed, by its first bytes.
pub(crate) fn compression(staged: &Staged) -> Result<Compression> {
    let mut start = Vec::with_capacity(8);
    let mut file = staged.open()?.take(8);
    file.read_to_end(&mut start).map_err(|source| Error::io("read", staged.path(), source))?;
    Compression::of(&start).map_err(Error::Archive)
}

/// An error that came while the input was read: the archive's fault, or the stream's.
pub(crate) fn input_error(error: io::Error) -> Error {
    match error.downcast::<gantry_archive::Error>() {
        Ok(error) => Error::Archive(error),
        Err(error) => Error::Input(error),
    }
}

fn normalise(path: &[u8]) -> Result<EntryPath> {
    EntryPath::normalise(path).map_err(|_| {
        let path = String::from_utf8_lossy(path);
        Error::InvalidArchive(format!("the path {path:?} leaves it"))
    })
}

/// A link's text is relative to the folder in which the link is.
fn symlink_target(path: &EntryPath, target: &[u8]) -> Result<EntryPath> {
    if target.starts_with(b"/") {
        return normalise(target);
    }
    normalise(&[path.parent(), b"/", target].concat())
}

/// Blobs of a layout are called by their digest: with SHA-512, that is what must be taken.
fn algorithm_of(path: &EntryPath) -> Algorithm {
    if path.as_bytes().starts_with(b"blobs/sha512/") {
        Algorithm::Sha512
    } else {
        Algorithm::Sha256
    }
}

fn printable(path: &EntryPath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}
