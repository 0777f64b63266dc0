//! The OCI image layout: `index.json` leads through indexes and manifests to blobs by digest.

use gantry_oci::image::{Descriptor, Index, Layout, Manifest, Platform, annotation, media_type};
use gantry_types::ImageReference;

use super::contents::{Contents, parse, read_document};
use super::plan::{Planned, check_layer, id_of, parse_config};
use super::platform::{choose, is_attestation};
use super::{LoadEvent, MAX_IMAGES, docker};
use crate::{Error, Result};

pub(super) const INDEX: &str = "index.json";

const LAYOUT: &str = "oci-layout";

/// Indexes in indexes.
const MAX_DEPTH: usize = 4;

/// Reads and checks every image that `index.json` lists, for the wanted platform.
pub(super) fn plan(
    contents: &Contents,
    wanted: Platform,
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
    let mut walk = Walk { contents, on_event, wanted, planned: Vec::new() };
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

struct Walk<'a> {
    contents: &'a Contents,
    on_event: &'a mut dyn FnMut(LoadEvent),
    wanted: Platform,
    /// In the archive's order. An image under two names is one image.
    planned: Vec<Planned>,
}

impl Walk<'_> {
    fn group(&mut self, name: Option<&ImageReference>, group: &[&Descriptor]) -> Result<()> {
        // An image that stands alone is loaded whatever its platform: the user chose it.
        let chosen = match *group {
            [only] => only,
            _ => self.choose(group)?,
        };
        self.descend(chosen, name, 0)
    }

    fn descend(
        &mut self,
        descriptor: &Descriptor,
        name: Option<&ImageReference>,
        depth: usize,
    ) -> Result<()> {
        let staged = self.contents.described(descriptor, "manifest")?;
        let file = descriptor.digest.as_str();
        let bytes = read_document(staged, file)?;
        if is_index(descriptor, &bytes) {
            if depth == MAX_DEPTH {
                return Err(Error::OverLimit {
                    what: format!("the nesting of index {file}"),
                    limit: format!("{MAX_DEPTH} levels"),
                });
            }
            let index: Index = parse(&bytes, file, "index")?;
            let images: Vec<_> =
                index.manifests.iter().filter(|entry| !is_attestation(entry)).collect();
            return self.descend(self.choose(&images)?, name, depth + 1);
        }
        let manifest: Manifest = parse(&bytes, file, "manifest")?;
        self.image(descriptor, &manifest, name)
    }

    fn choose<'d>(&self, candidates: &[&'d Descriptor]) -> Result<&'d Descriptor> {
        choose(candidates, &self.wanted).ok_or_else(|| {
            let found = candidates.iter().filter_map(|candidate| candidate.platform.as_ref());
            let found: Vec<String> = found.take(20).map(Platform::to_string).collect();
            Error::NoMatchingPlatform {
                wanted: self.wanted.to_string(),
                found: if found.is_empty() { "none".to_owned() } else { found.join(", ") },
            }
        })
    }

    fn image(
        &mut self,
        descriptor: &Descriptor,
        manifest: &Manifest,
        name: Option<&ImageReference>,
    ) -> Result<()> {
        let kind = manifest.config.media_type.as_str();
        if !media_type::is_config(kind) {
            let digest = &descriptor.digest;
            let reason = format!("{digest} is no runnable image: its configuration is {kind:?}");
            (self.on_event)(LoadEvent::Skipped { reason });
            return Ok(());
        }
        let file = manifest.config.digest.as_str();
        let staged = self.contents.described(&manifest.config, "image configuration")?;
        let bytes = read_document(staged, file)?;
        let id = id_of(&bytes);
        let references = name.cloned();
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
            config,
            config_blob: manifest.config.clone(),
            layers,
            id,
        });
        Ok(())
    }
}

/// By the descriptor's type, or where that says nothing by what the document has.
fn is_index(descriptor: &Descriptor, document: &[u8]) -> bool {
    let kind = descriptor.media_type.as_str();
    if media_type::is_index(kind) || media_type::is_manifest(kind) {
        return media_type::is_index(kind);
    }
    parse::<Index>(document, "", "index").is_ok_and(|index| !index.manifests.is_empty())
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
