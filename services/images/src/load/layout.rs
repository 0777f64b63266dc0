//! The OCI image layout: `index.json` leads through indexes and manifests to blobs by digest.

use std::cell::Cell;

use gantry_oci::image::{Descriptor, Index, Layout, Manifest, Platform, annotation, media_type};
use gantry_types::ImageReference;

use super::contents::{Contents, parse, read_document};
use super::plan::{Planned, check_layer, id_of, parse_config};
use super::platform::{choose, host_platform, is_attestation};
use super::{LoadEvent, MAX_IMAGES, docker};
use crate::{Error, Result};

pub(super) const INDEX: &str = "index.json";

const LAYOUT: &str = "oci-layout";

/// Attestations of one image that are taken.
const MAX_ATTESTATIONS: usize = 4;

/// Statements of one attestation that are taken.
const MAX_STATEMENTS: usize = 16;

/// Indexes in indexes.
const MAX_DEPTH: usize = 4;

/// Bytes of documents that are read on the way to all images, each as often as it is read: indexes may list the same
/// thing over and over.
const MAX_READ_BYTES: u64 = 128 << 20;

/// What a document counts at least.
const MIN_READ_BYTES: u64 = 1 << 10;

/// Reads and checks every image that `index.json` lists: for the wanted platforms, or else for all that an index has.
pub(super) fn plan(
    contents: &Contents,
    wanted: Vec<Platform>,
    on_event: &mut dyn FnMut(LoadEvent),
) -> Result<Vec<Planned>> {
    check_version(contents)?;
    let index: Index = parse(&read_document(contents.at(INDEX)?, INDEX)?, INDEX, "index")?;
    if index.manifests.len() > MAX_IMAGES {
        return Err(Error::OverLimit {
            what: "the number of images in the archive".to_owned(),
            limit: format!("{MAX_IMAGES} images"),
        });
    }
    let mut walk =
        Walk { contents, on_event, wanted, read_bytes: Cell::new(0), planned: Vec::new() };
    for (name, group) in by_name(&index) {
        walk.group(name.as_ref(), &group)?;
    }
    let mut planned = walk.planned;
    if contents.has(docker::MANIFEST) {
        add_docker_names(contents, &mut planned)?;
    }
    Ok(planned)
}

fn check_version(contents: &Contents) -> Result<()> {
    // Some tools forget the marker; with an index there is no doubt.
    if !contents.has(LAYOUT) {
        return Ok(());
    }
    let layout: Layout = parse(&read_document(contents.at(LAYOUT)?, LAYOUT)?, LAYOUT, "layout")?;
    if layout.version == Layout::VERSION {
        return Ok(());
    }
    let (found, known) = (layout.version, Layout::VERSION);
    Err(Error::InvalidArchive(format!("its layout has version {found:?}, only {known} is known")))
}

/// The entries in groups: those with one name are the same image for several platforms, each
/// without a name is an image of its own.
fn by_name(index: &Index) -> Vec<(Option<ImageReference>, Vec<&Descriptor>)> {
    let mut groups: Vec<(Option<ImageReference>, Vec<&Descriptor>)> = Vec::new();
    for descriptor in index.manifests.iter().filter(|descriptor| !is_attestation(descriptor)) {
        let name = reference(descriptor);
        let known = groups.iter_mut().find(|(other, _)| name.is_some() && *other == name);
        match known {
            Some((_, group)) => group.push(descriptor),
            None => groups.push((name, vec![descriptor])),
        }
    }
    groups
}

/// The name that the annotations give. The specification's own annotation is often a tag alone,
/// which names nothing.
fn reference(descriptor: &Descriptor) -> Option<ImageReference> {
    let full = descriptor.annotations.get(annotation::CONTAINERD_IMAGE_NAME);
    let short = descriptor.annotations.get(annotation::REF_NAME);
    let text = full.or(short.filter(|text| text.contains([':', '/'])))?;
    let reference: ImageReference = text.parse().ok()?;
    // A name by digest must tell the truth.
    match reference.digest() {
        Some(digest) if *digest != descriptor.digest => None,
        _ => Some(reference),
    }
}

/// How a manifest was come by.
struct Way<'a> {
    name: Option<&'a ImageReference>,
    /// The outermost first.
    indexes: Vec<Descriptor>,
    /// What the last one has about it, each with its parts.
    attestations: Vec<Descriptor>,
}

impl Way<'_> {
    /// One index further.
    fn by(&self, index: &Descriptor) -> Self {
        let mut indexes = self.indexes.clone();
        let kind = match index.media_type.as_str() {
            "" => media_type::OCI_INDEX,
            kind => kind,
        };
        indexes.push(Descriptor::new(kind, index.digest.clone(), index.size));
        Self { name: self.name, indexes, attestations: Vec::new() }
    }
}

struct Walk<'a> {
    contents: &'a Contents,
    on_event: &'a mut dyn FnMut(LoadEvent),
    /// None stands for all.
    wanted: Vec<Platform>,
    /// What was read so far; see [`MAX_READ_BYTES`].
    read_bytes: Cell<u64>,
    /// In the archive's order. An image under two names is one image.
    planned: Vec<Planned>,
}

impl Walk<'_> {
    fn group(&mut self, name: Option<&ImageReference>, group: &[&Descriptor]) -> Result<()> {
        let way = Way { name, indexes: Vec::new(), attestations: Vec::new() };
        // An image that stands alone is loaded whatever its platform: the user chose it.
        if let [only] = *group {
            return self.descend(only, &way);
        }
        self.choose(group)?.into_iter().try_for_each(|chosen| self.descend(chosen, &way))
    }

    fn descend(&mut self, descriptor: &Descriptor, way: &Way<'_>) -> Result<()> {
        let file = descriptor.digest.as_str();
        let bytes = self.read(descriptor, "manifest")?;
        if is_index(descriptor, &bytes) {
            if way.indexes.len() == MAX_DEPTH {
                return Err(Error::OverLimit {
                    what: format!("the nesting of index {file}"),
                    limit: format!("{MAX_DEPTH} levels"),
                });
            }
            let index = parse_index(&bytes, file)?;
            let images: Vec<_> =
                index.manifests.iter().filter(|entry| !is_attestation(entry)).collect();
            let mut way = way.by(descriptor);
            let depth = way.indexes.len();
            let is_whole = |entry: &&Descriptor| runs_here(entry) && self.is_whole(entry, depth);
            let whole: Vec<_> = images.iter().copied().filter(is_whole).collect();
            let chosen = if self.wanted.is_empty() && !whole.is_empty() {
                whole
            } else {
                self.choose(&images)?
            };
            for entry in chosen {
                way.attestations = self.attestations(&index, entry);
                self.descend(entry, &way)?;
            }
            return Ok(());
        }
        let manifest: Manifest = parse(&bytes, file, "manifest")?;
        self.image(descriptor, &manifest, way)
    }

    /// A document of the archive.
    fn read(&self, descriptor: &Descriptor, what: &'static str) -> Result<Vec<u8>> {
        let staged = self.contents.described(descriptor, what)?;
        let read_bytes = self.read_bytes.get().saturating_add(descriptor.size.max(MIN_READ_BYTES));
        self.read_bytes.set(read_bytes);
        if read_bytes > MAX_READ_BYTES {
            return Err(Error::OverLimit {
                what: "the documents that its indexes lead to".to_owned(),
                limit: format!("{MAX_READ_BYTES} bytes"),
            });
        }
        read_document(staged, descriptor.digest.as_str())
    }

    /// Whether the archive has all of what an index lists; of an index in it, something. Other tools write indexes with
    /// images that they left out.
    fn is_whole(&self, descriptor: &Descriptor, depth: usize) -> bool {
        // What is damaged is told when it is read.
        let is_missing = |error: Error| matches!(error, Error::MissingBlob { .. });
        let has = |blob: &Descriptor| !self.contents.described(blob, "blob").is_err_and(is_missing);
        let file = descriptor.digest.as_str();
        let bytes = match self.read(descriptor, "manifest") {
            Ok(bytes) => bytes,
            Err(error) => return !is_missing(error),
        };
        if is_index(descriptor, &bytes) {
            let index = parse_index(&bytes, file);
            return depth < MAX_DEPTH
                && index.is_ok_and(|index| {
                    index.manifests.iter().any(|entry| self.is_whole(entry, depth + 1))
                });
        }
        let manifest = parse::<Manifest>(&bytes, file, "manifest");
        manifest.map_or(true, |manifest| has(&manifest.config) && manifest.layers.iter().all(has))
    }

    /// What an index has about one of its images, as far as all of it is here.
    fn attestations(&self, index: &Index, about: &Descriptor) -> Vec<Descriptor> {
        let mut found = Vec::new();
        let own = |entry: &&Descriptor| entry.attests() == Some(about.digest.as_str());
        for entry in index.manifests.iter().filter(own).take(MAX_ATTESTATIONS) {
            let file = entry.digest.as_str();
            let bytes = self.read(entry, "attestation");
            let Ok(manifest) = bytes.and_then(|bytes| parse::<Manifest>(&bytes, file, "manifest"))
            else {
                continue;
            };
            let mut parts = manifest.layers;
            if parts.len() > MAX_STATEMENTS {
                continue;
            }
            parts.push(manifest.config);
            if parts.iter().all(|part| self.contents.described(part, "statement").is_ok()) {
                found.push(entry.clone());
                found.extend(parts);
            }
        }
        found
    }

    /// What is for the wanted platforms, each once; for this machine where none is wanted.
    fn choose<'d>(&self, candidates: &[&'d Descriptor]) -> Result<Vec<&'d Descriptor>> {
        let host = [host_platform()];
        let wanted = if self.wanted.is_empty() { &host[..] } else { &self.wanted };
        let mut chosen: Vec<&Descriptor> = Vec::new();
        for wanted in wanted {
            let one = choose(candidates, wanted).ok_or_else(|| {
                let found = candidates.iter().filter_map(|candidate| candidate.platform.as_ref());
                let found: Vec<String> = found.take(20).map(Platform::to_string).collect();
                Error::NoMatchingPlatform {
                    wanted: wanted.to_string(),
                    found: if found.is_empty() { "none".to_owned() } else { found.join(", ") },
                }
            })?;
            if !chosen.iter().any(|known| known.digest == one.digest) {
                chosen.push(one);
            }
        }
        Ok(chosen)
    }

    fn image(&mut self, descriptor: &Descriptor, manifest: &Manifest, way: &Way<'_>) -> Result<()> {
        let kind = manifest.config.media_type.as_str();
        if !media_type::is_config(kind) {
            let digest = &descriptor.digest;
            let reason = format!("{digest} is no runnable image: its configuration is {kind:?}");
            (self.on_event)(LoadEvent::Skipped { reason });
            return Ok(());
        }
        let file = manifest.config.digest.as_str();
        let bytes = self.read(&manifest.config, "image configuration")?;
        let id = id_of(&bytes);
        let references = way.name.cloned();
        if let Some(known) = self.planned.iter_mut().find(|known| known.id == id) {
            known.references.extend(references);
            return Ok(());
        }
        let config = parse_config(&bytes, file, manifest.layers.len())?;
        let mut layers = Vec::with_capacity(manifest.layers.len());
        for (layer, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
            check_layer_type(layer)?;
            let staged = self.contents.described(layer, "layer")?;
            check_layer(staged, diff_id, layer.digest.as_str())?;
            let blob = Descriptor::new(&layer.media_type, layer.digest.clone(), layer.size);
            layers.push((diff_id.clone(), blob));
        }
        let kind = if descriptor.media_type.is_empty() {
            manifest.media_type.as_deref().unwrap_or(media_type::OCI_MANIFEST)
        } else {
            &descriptor.media_type
        };
        self.planned.push(Planned {
            references: references.into_iter().collect(),
            manifest: Descriptor::new(kind, descriptor.digest.clone(), descriptor.size),
            others: way.indexes.iter().chain(&way.attestations).cloned().collect(),
            config,
            config_blob: manifest.config.clone(),
            layers,
            id,
        });
        Ok(())
    }
}

/// An index, with no more entries than any tool writes.
pub(crate) fn parse_index(bytes: &[u8], file: &str) -> Result<Index> {
    let index: Index = parse(bytes, file, "index")?;
    if index.manifests.len() > MAX_IMAGES {
        return Err(Error::OverLimit {
            what: format!("the number of entries of index {file}"),
            limit: format!("{MAX_IMAGES} entries"),
        });
    }
    Ok(index)
}

/// By the descriptor's type, or where that says nothing by what the document has.
fn is_index(descriptor: &Descriptor, document: &[u8]) -> bool {
    let kind = descriptor.media_type.as_str();
    if media_type::is_index(kind) || media_type::is_manifest(kind) {
        return media_type::is_index(kind);
    }
    parse::<Index>(document, "", "index").is_ok_and(|index| !index.manifests.is_empty())
}

/// Whether what an index lists is for Linux, as far as it says.
fn runs_here(descriptor: &Descriptor) -> bool {
    descriptor.platform.as_ref().is_none_or(|own| matches!(own.os.as_str(), "" | "linux"))
}

pub(crate) fn check_layer_type(layer: &Descriptor) -> Result<()> {
    let kind = layer.media_type.as_str();
    if media_type::is_layer(kind) && !kind.ends_with("+encrypted") {
        return Ok(());
    }
    let digest = &layer.digest;
    Err(Error::InvalidImage(format!("layer {digest} has the unknown type {kind:?}")))
}

/// `docker save` writes both formats into one archive; what the other one names counts too.
fn add_docker_names(contents: &Contents, planned: &mut [Planned]) -> Result<()> {
    for entry in docker::manifest(contents)? {
        let Ok(config) = contents.at(&entry.config) else { continue };
        let image = planned.iter_mut().find(|plan| plan.config_blob.digest == config.digest);
        let Some(image) = image else { continue };
        for reference in docker::references(&entry)? {
            if !image.references.contains(&reference) {
                image.references.push(reference);
            }
        }
    }
    Ok(())
}
