//! Whether the signature policy lets an image in. The policy and its rules are the trust service's; here it gets to see the
//! registry.

use gantry_oci::image::Descriptor;
use gantry_registry_client::{Error, Repository};
use gantry_trust::{BoxError, SignatureSource};
use gantry_types::{Digest, ImageReference};

use crate::Result;
use crate::engine::Engine;

/// Lets the image pass, or says what is missing. Without a policy, everything passes.
pub(crate) fn judge(
    engine: &Engine,
    repository: &Repository,
    reference: &ImageReference,
    digests: &[Digest],
) -> Result<()> {
    let Some(policy) = &engine.signature_policy else { return Ok(()) };
    Ok(policy.rules(reference).judge(digests, &Attached(repository))?)
}

/// The signatures that lie in the image's own repository.
struct Attached<'a>(&'a Repository);

impl SignatureSource for Attached<'_> {
    fn manifest(&self, tag_or_digest: &str) -> Result<Option<Vec<u8>>, BoxError> {
        match self.0.manifest(tag_or_digest) {
            Ok(document) => Ok(Some(document.bytes)),
            Err(Error::NoManifest { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn referrers(&self, digest: &Digest, artifact_type: &str) -> Result<Vec<Descriptor>, BoxError> {
        Ok(self.0.referrers(digest, artifact_type)?)
    }

    fn blob(&self, digest: &Digest, size_bytes: u64) -> Result<Vec<u8>, BoxError> {
        Ok(self.0.document_blob(digest, size_bytes)?)
    }
}
