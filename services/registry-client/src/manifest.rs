//! Manifests and indexes.

use gantry_oci::image::media_type;
use gantry_types::{Algorithm, Digest};
use sha2::{Digest as _, Sha256, Sha512};
use ureq::http::Method;

use crate::repository::{Call, Payload};
use crate::{Error, Repository, Result};

/// Manifests and indexes that we understand, the preferred first.
const ACCEPTED: [&str; 4] = [
    media_type::OCI_INDEX,
    media_type::DOCKER_MANIFEST_LIST,
    media_type::OCI_MANIFEST,
    media_type::DOCKER_MANIFEST,
];

/// A document as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What the registry says that it is; empty where it says nothing.
    pub media_type: String,
    /// The digest of its bytes: the one that was asked for, or SHA-256.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Document {
    /// A document of ours.
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        let digest = digest_of(&bytes, Algorithm::Sha256);
        Self { media_type: media_type.to_owned(), digest, bytes }
    }
}

impl Repository {
    /// The manifest or index under a tag or digest.
    ///
    /// # Errors
    /// [`Error::NoManifest`] when there is none; [`Error::DigestMismatch`] when the registry gives another one than
    /// it was asked for.
    pub fn manifest(&self, tag_or_digest: &str) -> Result<Document> {
        let path = format!("manifests/{tag_or_digest}");
        let call = Call::new(Method::GET, &path).header("Accept", ACCEPTED.join(", "));
        let answer = self.send(&call)?;
        if answer.status() == 404 {
            let reference = self.name_of(tag_or_digest);
            return Err(Error::NoManifest { reference, reason: answer.reason() });
        }
        if !answer.is_success() {
            return Err(self.refusal(answer));
        }
        let media_type = answer.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let claimed = answer.header("docker-content-digest").and_then(|text| text.parse().ok());
        let url = answer.url.clone();
        let bytes = answer.document()?;
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(Error::unusable(&url, format!("it is no manifest but {media_type:?}")));
        }
        let expected: Option<Digest> = tag_or_digest.parse().ok().or(claimed);
        let algorithm = expected.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let digest = digest_of(&bytes, algorithm);
        match expected {
            Some(expected) if expected != digest => Err(Error::DigestMismatch {
                what: format!("the manifest of {}", self.name_of(tag_or_digest)),
                expected,
                actual: digest,
            }),
            _ => Ok(Document { media_type, digest, bytes }),
        }
    }

    /// Whether a tag or digest leads to just this document there. A registry that does not say so is taken at its
    /// silence.
    pub fn has_manifest(&self, tag_or_digest: &str, document: &Document) -> bool {
        let path = format!("manifests/{tag_or_digest}");
        let call = Call::new(Method::HEAD, &path).header("Accept", document.media_type.as_str());
        let Ok(answer) = self.send(&call) else { return false };
        let says = |name: &str, value: &str| answer.header(name) == Some(value);
        answer.is_success()
            && says("docker-content-digest", document.digest.as_str())
            && says("content-type", &document.media_type)
    }

    /// Puts a manifest or index under a tag or its digest. What it points to must be there already.
    pub fn put_manifest(&self, tag_or_digest: &str, document: &Document) -> Result<()> {
        let path = format!("manifests/{tag_or_digest}");
        let mut call =
            Call::new(Method::PUT, &path).header("Content-Type", document.media_type.as_str());
        call.payload = Payload::Bytes(&document.bytes);
        let answer = self.send(&call)?;
        if answer.is_success() { Ok(()) } else { Err(self.refusal(answer)) }
    }

    fn name_of(&self, tag_or_digest: &str) -> String {
        let separator = if tag_or_digest.contains(':') { '@' } else { ':' };
        format!("{}{separator}{tag_or_digest}", self.reference.familiar_repository())
    }
}

/// The digest of a document.
pub(crate) fn digest_of(bytes: &[u8], algorithm: Algorithm) -> Digest {
    match algorithm {
        Algorithm::Sha256 => Digest::sha256(Sha256::digest(bytes).into()),
        Algorithm::Sha512 => Digest::sha512(Sha512::digest(bytes).into()),
    }
}
