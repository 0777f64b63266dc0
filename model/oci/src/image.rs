//! The documents of the OCI image specification (v1.1) and what Docker adds to them: descriptors,
//! indexes, manifests, image configurations, and the `manifest.json` of a docker-archive.
//!
//! Reading is tolerant: unknown fields are ignored, and `null` stands for an empty list or map, as
//! programs in Go write it. Digests are checked in form only; whether content has them is for those
//! who hold the content.

mod build_cache;
mod config;
mod descriptor;
mod docker_archive;
mod manifest;
pub mod media_type;
mod tolerant;

pub use build_cache::{BuildCache, CachedStep};
pub use config::{ContainerConfig, Healthcheck, History, ImageConfig, RootFs};
pub use descriptor::{Descriptor, InvalidPlatform, Platform};
pub use docker_archive::ArchiveManifest;
pub use manifest::{Index, Layout, Manifest};

/// Annotations that name images in an index.
pub mod annotation {
    /// The tag, or with some tools the whole reference, of a manifest in a layout's index.
    pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
    /// The whole normalised reference, as containerd and Docker write it.
    pub const CONTAINERD_IMAGE_NAME: &str = "io.containerd.image.name";
    /// Marks manifests that are no images but belong to one: attestations.
    pub const DOCKER_REFERENCE_TYPE: &str = "vnd.docker.reference.type";
    /// The digest of the manifest that an attestation is about.
    pub const DOCKER_REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
}

#[cfg(test)]
mod tests;
