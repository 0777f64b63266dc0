//! The documents of what a build gives: images for one platform or several, with annotations, what is stated about them, and the
//! index that leads to all of it. What the statements say is the caller's matter.

use std::collections::BTreeMap;

use gantry_oci::image::{
    Descriptor, ImageConfig, Index, Manifest, Platform, RootFs, annotation, media_type,
};
use gantry_types::{Digest, ImageReference};
use serde_json::{Value, json};

use crate::import::encode;
use crate::load::contents::Contents;
use crate::load::plan::{Planned, id_of};
use crate::load::{MAX_DOCUMENT_BYTES, MAX_LAYERS};
use crate::{Error, Images, Loaded, Result};

/// The type of an in-toto statement's blob.
const STATEMENT: &str = "application/vnd.in-toto+json";
/// The annotation by which a statement's blob says what it states.
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";
/// What an entry of an index is for that is no image.
const UNKNOWN: &str = "unknown";

/// One image that is to be made of layers whose blobs are here and kept by the caller.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// Its configuration, which names the layers.
    pub config: ImageConfig,
    /// The diffID and the blob of each layer, the lowest first.
    pub layers: Vec<(Digest, Descriptor)>,
    /// What is stated about it.
    pub predicates: Vec<Predicate>,
    /// Annotations of its manifest.
    pub annotations: BTreeMap<String, String>,
    /// Annotations of what leads to its manifest in an index.
    pub descriptor_annotations: BTreeMap<String, String>,
}

/// What an in-toto statement says of its subject.
#[derive(Debug, Clone)]
pub struct Predicate {
    /// What kind of statement it is: a URI.
    pub kind: String,
    /// What is stated.
    pub content: Value,
}

/// A manifest that was made, with what is said about it.
struct Part {
    image: NewImage,
    id: crate::ImageId,
    config_blob: Descriptor,
    manifest: Descriptor,
    /// The attestation's manifest and its blobs.
    attestation: Vec<Descriptor>,
}

impl Images {
    /// Makes images under the same names. They have an index where they are several, where something is stated about one, or
    /// where the index or what leads to a manifest has annotations.
    ///
    /// # Errors
    /// A document is too long, or the store fails.
    pub fn make_all(
        &self,
        images: Vec<NewImage>,
        index_annotations: BTreeMap<String, String>,
        references: &[ImageReference],
    ) -> Result<Vec<Loaded>> {
        let has_index = images.len() > 1
            || !index_annotations.is_empty()
            || images.iter().any(|image| {
                !image.predicates.is_empty() || !image.descriptor_annotations.is_empty()
            });
        let mut contents = Contents::empty(&self.store);
        let parts = images.into_iter().map(|image| part(&mut contents, image, references));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let index = if has_index {
            let mut index = Index::new(entries(&parts));
            index.annotations = index_annotations;
            Some(stage(&mut contents, media_type::OCI_INDEX, &index)?)
        } else {
            None
        };
        let plan = |part: Part| Planned {
            others: index.iter().cloned().chain(part.attestation).collect(),
            id: part.id,
            references: references.to_vec(),
            manifest: Descriptor { platform: None, annotations: BTreeMap::new(), ..part.manifest },
            config: part.image.config,
            config_blob: part.config_blob,
            layers: part.image.layers,
        };
        parts.into_iter().map(|part| self.commit(plan(part), &mut contents)).collect()
    }
}

fn part(contents: &mut Contents, image: NewImage, names: &[ImageReference]) -> Result<Part> {
    if image.layers.len() > MAX_LAYERS {
        return Err(Error::OverLimit {
            what: "the number of layers".to_owned(),
            limit: format!("{MAX_LAYERS} layers"),
        });
    }
    for (_, blob) in &image.layers {
        contents.add_known(&blob.digest, blob.size);
    }
    let config = encode(&image.config, "image configuration")?;
    let (digest, size) = contents.stage_bytes(&config)?;
    let config_blob = Descriptor::new(media_type::OCI_CONFIG, digest, size);
    let layers = image.layers.iter().map(|(_, blob)| blob.clone()).collect();
    let mut manifest = Manifest::new(config_blob.clone(), layers);
    manifest.annotations.clone_from(&image.annotations);
    let mut manifest = stage(contents, media_type::OCI_MANIFEST, &manifest)?;
    manifest.platform = Some(image.config.platform.clone());
    manifest.annotations.clone_from(&image.descriptor_annotations);
    let attestation = attestation(contents, &image, &manifest, names)?;
    Ok(Part { id: id_of(&config), image, config_blob, manifest, attestation })
}

/// The images first, then what is said about them, as Docker's builder orders them.
fn entries(parts: &[Part]) -> Vec<Descriptor> {
    let about = |part: &Part| {
        let mut entry = part.attestation.first()?.clone();
        let unknown =
            Platform { architecture: UNKNOWN.into(), os: UNKNOWN.into(), ..Platform::default() };
        entry.platform = Some(unknown);
        entry.annotations = BTreeMap::from([
            (annotation::DOCKER_REFERENCE_TYPE.to_owned(), "attestation-manifest".to_owned()),
            (annotation::DOCKER_REFERENCE_DIGEST.to_owned(), part.manifest.digest.to_string()),
        ]);
        Some(entry)
    };
    let images = parts.iter().map(|part| part.manifest.clone());
    images.chain(parts.iter().filter_map(about)).collect()
}

/// Writes the statements about an image as a manifest with one layer each: this and its blobs, or nothing.
fn attestation(
    contents: &mut Contents,
    image: &NewImage,
    manifest: &Descriptor,
    names: &[ImageReference],
) -> Result<Vec<Descriptor>> {
    if image.predicates.is_empty() {
        return Ok(Vec::new());
    }
    let subject = subjects(manifest, &image.config.platform, names);
    let mut layers = Vec::with_capacity(image.predicates.len());
    for Predicate { kind, content } in &image.predicates {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": kind,
            "subject": subject,
            "predicate": content,
        });
        let mut layer = stage(contents, STATEMENT, &statement)?;
        layer.annotations.insert(PREDICATE_TYPE.to_owned(), kind.clone());
        layers.push(layer);
    }
    let config = ImageConfig {
        platform: Platform {
            architecture: UNKNOWN.into(),
            os: UNKNOWN.into(),
            ..Platform::default()
        },
        rootfs: RootFs {
            diff_ids: layers.iter().map(|layer| layer.digest.clone()).collect(),
            ..RootFs::default()
        },
        ..ImageConfig::default()
    };
    let config = stage(contents, media_type::OCI_CONFIG, &config)?;
    let document = Manifest::new(config.clone(), layers.clone());
    let document = stage(contents, media_type::OCI_MANIFEST, &document)?;
    Ok([vec![document, config], layers].concat())
}

/// What a statement is about: the manifest, under each name as a package URL, or under `_` where it has none.
fn subjects(manifest: &Descriptor, platform: &Platform, names: &[ImageReference]) -> Vec<Value> {
    let digest = json!({ manifest.digest.algorithm().as_str(): manifest.digest.hex() });
    if names.is_empty() {
        return vec![json!({ "name": "_", "digest": digest })];
    }
    let subject =
        |name: &ImageReference| json!({ "name": package_url(name, platform), "digest": digest });
    names.iter().map(subject).collect()
}

/// The package URL of an image (purl-spec, type `docker`).
pub fn package_url(name: &ImageReference, platform: &Platform) -> String {
    let repository = name.familiar_repository();
    let path: Vec<String> = repository.split('/').map(escaped).collect();
    let version = match (name.digest(), name.tag()) {
        (Some(digest), _) => format!("?digest={}&", escaped(digest.as_str())),
        (None, tag) => format!("@{}?", tag.unwrap_or("latest")),
    };
    format!("pkg:docker/{}{version}platform={}", path.join("/"), escaped(&platform.to_string()))
}

fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else if write!(escaped, "%{byte:02X}").is_err() {
            // A string takes everything.
            break;
        }
    }
    escaped
}

fn stage(
    contents: &mut Contents,
    kind: &str,
    document: &impl serde::Serialize,
) -> Result<Descriptor> {
    let bytes = encode(document, "document")?;
    if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(Error::OverLimit {
            what: format!("a document of the type {kind}"),
            limit: format!("{MAX_DOCUMENT_BYTES} bytes"),
        });
    }
    let (digest, size) = contents.stage_bytes(&bytes)?;
    Ok(Descriptor::new(kind, digest, size))
}
