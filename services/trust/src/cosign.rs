//! How cosign attaches signatures to an image: as the layers of a manifest that is found by a tag made of the digest, or,
//! with registries of the distribution specification 1.1, as a referrer (cosign's `SIGNATURE_SPEC.md`); since cosign 3 as a
//! bundle, which is a referrer too ([`crate::bundle`]).

use std::collections::HashMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_oci::image::{Descriptor, Manifest};
use gantry_types::Digest;

use crate::bundle;
use crate::refusal::Refusal;

/// The type of a layer that is what was signed.
const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The type by which manifests with signatures refer to an image.
const ARTIFACT_TYPE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// The annotation of such a layer with the signature, in base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// What was signed names one image: a few hundred bytes.
pub(crate) const MAX_PAYLOAD_BYTES: u64 = 64 << 10;
/// Signatures of one manifest that are looked at. The last ones: new ones are added at the end.
pub(crate) const MAX_SIGNATURES: usize = 256;
/// Manifests that refer to one image and are looked at.
const MAX_REFERRERS: usize = 32;
/// An RSA signature with 8192 bits has 1368 characters.
const MAX_SIGNATURE_CHARACTERS: usize = 4096;

/// Any failure of a caller's.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where signatures come from: the image's repository.
pub trait SignatureSource {
    /// The manifest under a tag or digest, or nothing when there is none.
    fn manifest(&self, tag_or_digest: &str) -> Result<Option<Vec<u8>>, BoxError>;

    /// The manifests that say to refer to `digest` and to be of this type, and those that do not say what they are.
    fn referrers(&self, digest: &Digest, artifact_type: &str) -> Result<Vec<Descriptor>, BoxError>;

    /// A blob, whole and compared with its digest.
    fn blob(&self, digest: &Digest, size_bytes: u64) -> Result<Vec<u8>, BoxError>;
}

/// A signature that a registry has, not yet compared with anything.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// What it claims to sign.
    pub(crate) payload: Rc<[u8]>,
    pub(crate) form: Form,
    pub(crate) signature: Vec<u8>,
}

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A "simple signing" document, signed as it is.
    Simple,
    /// An in-toto statement, signed in its envelope.
    Statement,
}

/// The places where signatures of a manifest are looked for, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Tag,
    Referrers,
    Bundles,
}

impl Place {
    pub(crate) const ALL: [Self; 3] = [Self::Tag, Self::Referrers, Self::Bundles];
}

/// What one place has.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) refusals: Vec<Refusal>,
}

/// A repository's signatures, each fetched when it is wanted first.
pub(crate) struct Attachments<'a> {
    source: &'a dyn SignatureSource,
    found: HashMap<(Digest, Place), Found>,
    /// Signers of one image usually sign the very same bytes: they are fetched once.
    payloads: HashMap<Digest, Rc<[u8]>>,
}

impl<'a> Attachments<'a> {
    pub(crate) fn new(source: &'a dyn SignatureSource) -> Self {
        Self { source, found: HashMap::new(), payloads: HashMap::new() }
    }

    /// The signatures of a manifest in one place, and those that are none.
    pub(crate) fn at(&mut self, manifest: &Digest, place: Place) -> Result<&Found, BoxError> {
        let key = (manifest.clone(), place);
        if !self.found.contains_key(&key) {
            let found = match place {
                Place::Tag => self.by_tag(manifest)?,
                Place::Referrers => self.by_referrers(manifest, ARTIFACT_TYPE)?,
                Place::Bundles => self.by_referrers(manifest, bundle::TYPE)?,
            };
            self.found.insert(key.clone(), found);
        }
        Ok(&self.found[&key])
    }

    fn by_tag(&mut self, manifest: &Digest) -> Result<Found, BoxError> {
        let tag = format!("{}-{}.sig", manifest.algorithm().as_str(), manifest.hex());
        let mut found = Found::default();
        if let Some(document) = self.source.manifest(&tag)? {
            self.add(&mut found, &document)?;
        }
        Ok(found)
    }

    fn by_referrers(&mut self, manifest: &Digest, kind: &str) -> Result<Found, BoxError> {
        let mut found = Found::default();
        let referrers = self.source.referrers(manifest, kind)?;
        for referrer in referrers.iter().rev().take(MAX_REFERRERS) {
            if found.is_full() {
                break;
            }
            if let Some(document) = self.source.manifest(referrer.digest.as_str())? {
                if kind == bundle::TYPE {
                    self.add_bundles(&mut found, &document)?;
                } else {
                    self.add(&mut found, &document)?;
                }
            }
        }
        Ok(found)
    }

    /// Adds the signatures in one manifest.
    fn add(&mut self, found: &mut Found, document: &[u8]) -> Result<(), BoxError> {
        let Ok(manifest) = serde_json::from_slice::<Manifest>(document) else {
            found.refusals.push(Refusal::NoManifest);
            return Ok(());
        };
        let layers = manifest.layers.iter().filter(|layer| layer.media_type == PAYLOAD_TYPE);
        for layer in layers.rev() {
            if found.is_full() {
                found.refusals.push(Refusal::TooMany);
                break;
            }
            match signature(layer) {
                Ok(signature) => {
                    let payload = self.payload(layer)?;
                    let form = Form::Simple;
                    found.candidates.push(Candidate { payload, form, signature });
                }
                Err(refusal) => found.refusals.push(refusal),
            }
        }
        Ok(())
    }

    /// Adds the signatures in the bundles of one manifest.
    fn add_bundles(&mut self, found: &mut Found, document: &[u8]) -> Result<(), BoxError> {
        let Ok(manifest) = serde_json::from_slice::<Manifest>(document) else {
            found.refusals.push(Refusal::NoManifest);
            return Ok(());
        };
        for layer in manifest.layers.iter().filter(|layer| layer.media_type == bundle::TYPE) {
            if found.is_full() {
                found.refusals.push(Refusal::TooMany);
                break;
            }
            if layer.size > bundle::MAX_BYTES {
                found.refusals.push(Refusal::TooLong);
                continue;
            }
            match bundle::Signed::parse(&self.source.blob(&layer.digest, layer.size)?) {
                Ok(signed) => {
                    let payload: Rc<[u8]> = signed.statement.into();
                    let form = Form::Statement;
                    found.candidates.extend(signed.signatures.into_iter().map(|signature| {
                        Candidate { payload: Rc::clone(&payload), form, signature }
                    }));
                }
                Err(refusal) => found.refusals.push(refusal),
            }
        }
        Ok(())
    }

    fn payload(&mut self, layer: &Descriptor) -> Result<Rc<[u8]>, BoxError> {
        if let Some(known) = self.payloads.get(&layer.digest) {
            return Ok(Rc::clone(known));
        }
        let bytes: Rc<[u8]> = self.source.blob(&layer.digest, layer.size)?.into();
        self.payloads.insert(layer.digest.clone(), Rc::clone(&bytes));
        Ok(bytes)
    }
}

impl Found {
    fn is_full(&self) -> bool {
        self.candidates.len() + self.refusals.len() >= MAX_SIGNATURES
    }
}

/// The signature of a layer whose payload is worth fetching.
fn signature(layer: &Descriptor) -> Result<Vec<u8>, Refusal> {
    if layer.size > MAX_PAYLOAD_BYTES {
        return Err(Refusal::TooLong);
    }
    let text = layer.annotations.get(SIGNATURE).ok_or(Refusal::NoSignature)?;
    if text.len() > MAX_SIGNATURE_CHARACTERS {
        return Err(Refusal::NoSignature);
    }
    STANDARD.decode(text).map_err(|_| Refusal::NoSignature)
}
