//! The forms that an extracted layer has on the disk. The rest of this crate knows layers by number and
//! format, and asks here for whatever depends on the latter.

mod directory;
mod erofs;
mod probe;

use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use gantry_archive::Limits;
use gantry_types::Digest;
use serde::{Deserialize, Serialize};

pub(crate) use self::probe::probe;

use crate::{Error, Result};

/// How a layer lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A directory with the layer's files.
    #[default]
    Directory,
    /// One file with an image of erofs, which the kernel mounts without a block device (Linux 6.12).
    Erofs,
}

impl Format {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Erofs => "erofs",
        }
    }

    /// What lies in a layer's directory.
    pub(crate) fn data(self) -> &'static str {
        match self {
            Self::Directory => directory::FILES,
            Self::Erofs => erofs::IMAGE,
        }
    }

    pub(crate) fn behaviour(self) -> &'static dyn LayerFormat {
        match self {
            Self::Directory => &directory::Directories,
            Self::Erofs => &erofs::Images,
        }
    }
}

/// What depends on the form of layers.
pub(crate) trait LayerFormat {
    /// Extracts a layer into its directory, which is empty. Nothing is flushed to the disk.
    fn extract(&self, place: BorrowedFd<'_>, layer: Incoming<'_>) -> Result<Extracted>;

    /// Gives a layer that was extracted without it its diffID, where the form has a place for that.
    fn name(&self, place: BorrowedFd<'_>, diff_id: &Digest) -> std::io::Result<()>;

    /// Opens an extracted layer's root: a directory, or a mount that is attached nowhere, with SELinux's `label` on all that is in it.
    fn open(&self, data: &Path, label: Option<&str>) -> Result<OwnedFd>;
}

/// A layer that is to be extracted.
pub(crate) struct Incoming<'a> {
    /// The archive, uncompressed.
    pub(crate) tar: &'a mut (dyn Read + Send),
    pub(crate) identity: Identity<'a>,
    pub(crate) limits: &'a Limits,
    /// The merged view of the layers below, if there are any: asked for only by a layer that depends on
    /// them.
    pub(crate) lower: &'a dyn Fn() -> Result<Option<OwnedFd>>,
    /// The store's directory, for messages.
    pub(crate) store: &'a Path,
}

/// What is known of a layer's diffID while it is extracted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Identity<'a> {
    /// The digest that it shall have: it is taken and compared.
    Claimed(&'a Digest),
    /// Somebody has seen that it has it.
    Verified(&'a Digest),
    /// Somebody else takes it, and tells later.
    Later,
}

impl<'a> Identity<'a> {
    /// The digest, if it is known.
    pub(crate) fn digest(self) -> Option<&'a Digest> {
        match self {
            Self::Claimed(digest) | Self::Verified(digest) => Some(digest),
            Self::Later => None,
        }
    }
}

impl Incoming<'_> {
    pub(crate) fn failed(&self, source: gantry_archive::Error) -> Error {
        match self.identity.digest() {
            Some(diff_id) => Error::extract(diff_id, self.store, source),
            None => Error::Tree { action: "extract an archive that comes in", source },
        }
    }

    /// A digest that was taken must be the one that was claimed.
    pub(crate) fn check(&self, actual: Digest) -> Result<()> {
        match self.identity {
            Identity::Claimed(expected) if *expected != actual => {
                Err(Error::WrongContent { expected: expected.clone(), actual })
            }
            _ => Ok(()),
        }
    }

    /// Whether what depends on the layers below can be settled: nobody knows yet which these are.
    pub(crate) fn has_place(&self) -> bool {
        !matches!(self.identity, Identity::Later)
    }
}

/// What was extracted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extracted {
    /// Bytes in its files, as Docker counts them.
    pub(crate) size_bytes: u64,
    /// How many things in it depend on the layers below.
    pub(crate) fixups: u64,
    /// Whether it says what the root looks like.
    pub(crate) root_given: bool,
    /// Whether it hides all layers below.
    pub(crate) root_opaque: bool,
}
