//! An image as callers see it.

use gantry_oci::image::{Descriptor, ImageConfig};
use gantry_types::{Digest, ImageReference, Timestamp};

use crate::ImageId;

/// A recorded image with its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its names, in order; those with a digest are its repository digests.
    pub references: Vec<ImageReference>,
    /// Names that lead to an image for another platform, and keep this one beside it.
    pub beside: Vec<ImageReference>,
    /// Its configuration.
    pub config: ImageConfig,
    /// The manifest blob.
    pub manifest: Descriptor,
    /// The index that it was chosen from, where there was one; its blob is among the image's.
    pub index: Option<Descriptor>,
    /// What its extracted layers take on the disk.
    pub size_bytes: u64,
    /// What its blobs take as they came.
    pub content_bytes: u64,
}

impl Image {
    /// The digests of its uncompressed layers, the lowest first.
    pub fn diff_ids(&self) -> &[Digest] {
        &self.config.rootfs.diff_ids
    }

    /// When it was made, if it says so.
    pub fn created(&self) -> Option<Timestamp> {
        self.config.created_at()
    }

    /// Its tagged names, as people write them: `busybox:latest`.
    pub fn repo_tags(&self) -> Vec<String> {
        self.names(|reference| reference.digest().is_none())
    }

    /// Its names with a digest: `busybox@sha256:…`.
    pub fn repo_digests(&self) -> Vec<String> {
        self.names(|reference| reference.digest().is_some())
    }

    /// Whether no name leads to it.
    pub fn is_dangling(&self) -> bool {
        self.references.is_empty() && self.beside.is_empty()
    }

    /// Whether it is only there for another platform than the image that its names lead to.
    pub fn is_sibling(&self) -> bool {
        self.references.is_empty() && !self.beside.is_empty()
    }

    fn names(&self, which: impl Fn(&ImageReference) -> bool) -> Vec<String> {
        let chosen = self.references.iter().filter(|reference| which(reference));
        chosen.map(ImageReference::familiar).collect()
    }
}
