//! Writing image archives: an OCI layout that is a docker-archive too, so that every tool reads one of the two.

use std::collections::BTreeSet;
use std::io::Write;

use gantry_archive::{Header, Writer};
use gantry_oci::image::{Descriptor, Index, Layout, Manifest, annotation};
use gantry_types::{Digest, ImageReference};
use serde::Serialize;

use crate::lease::Lease;
use crate::load::contents::parse;
use crate::record::{IMAGES, ImageRow};
use crate::{Error, Image, Images, Result};

/// Images on their way into an archive. Their blobs stay as long as this lives.
#[derive(Debug)]
pub struct Saving<'a> {
    images: &'a Images,
    /// In the order in which they were asked for, each once.
    chosen: Vec<Chosen>,
    _lease: Lease,
}

#[derive(Debug)]
struct Chosen {
    image: Image,
    names: Vec<ImageReference>,
    blobs: Vec<(Digest, u64)>,
}

/// One image in `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl Images {
    /// Chooses what to save. A name without a tag means every tag of its repository; an id means no name.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`] for the first word that leads to none.
    pub fn saving(&self, words: &[String]) -> Result<Saving<'_>> {
        let mut chosen: Vec<Chosen> = Vec::new();
        let mut lease = Lease::none(&self.store);
        for word in words {
            for (image, name) in self.meant(word)? {
                let row = self.row(&image)?;
                for (digest, _) in &row.blobs {
                    lease.add(digest);
                }
                let known = chosen.iter_mut().find(|known| known.image.id == image.id);
                match known {
                    Some(known) => known.names.extend(name),
                    None => chosen.push(Chosen {
                        image,
                        names: name.into_iter().collect(),
                        blobs: row.blobs,
                    }),
                }
            }
        }
        for one in &mut chosen {
            one.names.sort();
            one.names.dedup();
        }
        Ok(Saving { images: self, chosen, _lease: lease })
    }

    /// The images that a word means, each with the name that the word gives it.
    fn meant(&self, word: &str) -> Result<Vec<(Image, Option<ImageReference>)>> {
        let names_tag = word.rsplit('/').next().unwrap_or_default().contains([':', '@']);
        if !names_tag && let Ok(wanted) = word.parse::<ImageReference>() {
            let repository = wanted.repository();
            let mut meant = Vec::new();
            for image in self.list()?.iter() {
                let tags = image
                    .references
                    .iter()
                    .filter(|name| name.digest().is_none() && name.repository() == repository);
                meant.extend(tags.map(|name| (image.clone(), Some(name.clone()))));
            }
            if !meant.is_empty() {
                return Ok(meant);
            }
        }
        let image = self.resolve(word)?;
        let name = word.parse().ok().filter(|name| image.references.contains(name));
        Ok(vec![(image, name)])
    }

    fn row(&self, image: &Image) -> Result<ImageRow> {
        let row = self.db.read(|tx| IMAGES.get(tx, image.id.as_str()))?;
        row.ok_or_else(|| Error::NoSuchImage { reference: image.id.to_string() })
    }
}

impl Saving<'_> {
    /// The images that were chosen.
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        self.chosen.iter().map(|one| &one.image)
    }

    /// Writes the archive: the documents that lead to the images last, so that they are never there without them.
    pub fn write(self, output: impl Write) -> Result<()> {
        let mut archive = Writer::new(output);
        let mut add = |path: &str, bytes: &[u8]| {
            archive.append_bytes(&Header::file(path, 0o644), bytes).map_err(Error::WriteArchive)
        };
        add("oci-layout", &json(&Layout { version: Layout::VERSION.to_owned() }, "layout")?)?;
        let mut written = BTreeSet::new();
        for (digest, size_bytes) in self.chosen.iter().flat_map(|one| &one.blobs) {
            if written.insert(digest) {
                let header = Header { size: *size_bytes, ..Header::file(blob_name(digest), 0o644) };
                let content = self.images.open_blob(digest)?;
                archive.append(&header, content).map_err(Error::WriteArchive)?;
            }
        }
        let mut add = |path: &str, bytes: &[u8]| {
            archive.append_bytes(&Header::file(path, 0o644), bytes).map_err(Error::WriteArchive)
        };
        add("manifest.json", &json(&self.docker_images()?, "manifest.json")?)?;
        add("index.json", &json(&Index::new(self.entries()), "index")?)?;
        archive.finish().map_err(Error::WriteArchive)?;
        Ok(())
    }

    /// `index.json`: one entry for each name, or one without for an image that has none.
    fn entries(&self) -> Vec<Descriptor> {
        let mut entries = Vec::new();
        for Chosen { image, names, .. } in &self.chosen {
            let Descriptor { media_type, digest, size, .. } = &image.manifest;
            let plain = Descriptor {
                platform: Some(image.config.platform.clone()),
                ..Descriptor::new(media_type, digest.clone(), *size)
            };
            if names.is_empty() {
                entries.push(plain.clone());
            }
            for name in names {
                let mut entry = plain.clone();
                let notes = &mut entry.annotations;
                notes.insert(annotation::CONTAINERD_IMAGE_NAME.to_owned(), name.to_string());
                if let Some(tag) = name.tag() {
                    notes.insert(annotation::REF_NAME.to_owned(), tag.to_owned());
                }
                entries.push(entry);
            }
        }
        entries
    }

    fn docker_images(&self) -> Result<Vec<DockerImage>> {
        let describe = |one: &Chosen| {
            let name = one.image.manifest.digest.to_string();
            let bytes = self.document(&one.image.manifest)?;
            let manifest: Manifest = parse(&bytes, &name, "manifest")?;
            let tagged = one.names.iter().filter(|name| name.digest().is_none());
            Ok(DockerImage {
                config: blob_name(&manifest.config.digest),
                repo_tags: tagged.map(ImageReference::familiar).collect(),
                layers: manifest.layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
            })
        };
        self.chosen.iter().map(describe).collect()
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let path = self.images.store.blob_path(&descriptor.digest);
        std::fs::read(&path).map_err(|source| Error::io("read", &path, source))
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

fn json(document: &impl Serialize, what: &'static str) -> Result<Vec<u8>> {
    crate::import::encode(document, what)
}
