//! Writing image archives: an OCI layout that is a docker-archive too, so that every tool reads one of the two.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;

use gantry_archive::{Header, Writer};
use gantry_oci::image::{Descriptor, Index, Layout, Manifest, annotation};
use gantry_types::{Digest, ImageReference};
use serde::Serialize;

use crate::elsewhere::Blob;
use crate::lease::Lease;
use crate::load::Loaded;
use crate::load::contents::parse;
use crate::record::{IMAGES, ImageRow};
use crate::{Error, Image, ImageId, Images, Result};

/// Images on their way into an archive. Their blobs stay as long as this lives.
#[derive(Debug)]
pub struct Saving<'a> {
    images: &'a Images,
    /// In the order in which they were asked for, each once.
    chosen: Vec<Chosen>,
    /// Blobs that lie elsewhere, open, so that they stay.
    elsewhere: HashMap<Digest, Blob>,
    _lease: Lease,
}

/// One image, for some of the platforms that are here.
#[derive(Debug)]
struct Chosen {
    /// The first is what the names lead to.
    images: Vec<Image>,
    names: Vec<ImageReference>,
    /// The blobs of each, with what came with it.
    blobs: Vec<Vec<(Digest, u64)>>,
    /// Whether these, and what is stated about them, are all that their index lists, or all that is here: then it leads to them.
    is_whole: bool,
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
    /// Chooses what to save. A name without a tag means every tag of its repository; an id means no name. `choose` has
    /// its say about what is here for several platforms.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`] for the first word that leads to none.
    pub fn saving<E: From<Error>>(
        &self,
        words: &[String],
        choose: impl Fn(Vec<Image>) -> Result<Vec<Image>, E>,
    ) -> Result<Saving<'_>, E> {
        let mut chosen: Vec<Chosen> = Vec::new();
        let mut lease = Lease::none(&self.store);
        let mut elsewhere = HashMap::new();
        for word in words {
            for (family, name) in self.meant(word)? {
                let count = family.len();
                let mut images: Vec<Image> = Vec::with_capacity(count);
                for image in choose(family)? {
                    if !images.contains(&image) {
                        images.push(image);
                    }
                }
                let mut blobs = Vec::with_capacity(images.len());
                for image in &mut images {
                    let kept = self.keep(image, &mut lease)?;
                    for (digest, _) in &kept {
                        // What is missing is told when it is read.
                        if let Ok(blob @ Blob::Elsewhere(_)) = self.open_blob(digest) {
                            elsewhere.insert(digest.clone(), blob);
                        }
                    }
                    blobs.push(kept);
                }
                let ids = |images: &[Image]| -> Vec<ImageId> {
                    images.iter().map(|image| image.id.clone()).collect()
                };
                let known = chosen.iter_mut().find(|known| ids(&known.images) == ids(&images));
                match known {
                    Some(known) => known.names.extend(name),
                    None => chosen.push(Chosen {
                        is_whole: images.len() == count
                            && have_one_index(&images)
                            && (count > 1 || self.is_all(&images[0], &blobs[0])),
                        images,
                        blobs,
                        names: name.into_iter().collect(),
                    }),
                }
            }
        }
        for one in &mut chosen {
            one.names.sort();
            one.names.dedup();
        }
        Ok(Saving { images: self, chosen, elsewhere, _lease: lease })
    }

    /// What was just made, under these names, without a record.
    ///
    /// # Errors
    /// A layer is not where it was.
    pub fn saving_made(&self, made: &[Loaded], names: &[ImageReference]) -> Result<Saving<'_>> {
        let mut lease = Lease::none(&self.store);
        let mut elsewhere = HashMap::new();
        let mut images = Vec::with_capacity(made.len());
        for loaded in made {
            for (digest, _) in &loaded.blobs {
                lease.add(digest);
                if let blob @ Blob::Elsewhere(_) = self.open_blob(digest)? {
                    elsewhere.insert(digest.clone(), blob);
                }
            }
            images.push(Image {
                id: loaded.id.clone(),
                references: names.to_vec(),
                beside: Vec::new(),
                config: loaded.config.clone(),
                manifest: loaded.manifest.clone(),
                index: loaded.index.clone(),
                size_bytes: 0,
                content_bytes: 0,
            });
        }
        let is_whole = have_one_index(&images);
        let blobs = made.iter().map(|loaded| loaded.blobs.clone()).collect();
        let chosen = vec![Chosen { images, names: names.to_vec(), blobs, is_whole }];
        Ok(Saving { images: self, chosen, elsewhere, _lease: lease })
    }

    /// Sees to it that an image's blobs stay, and gives them. Somebody may load or pull the image anew meanwhile, with another manifest:
    /// then it is that one from now on.
    fn keep(&self, image: &mut Image, lease: &mut Lease) -> Result<Vec<(Digest, u64)>> {
        let mut row = self.row(image)?;
        loop {
            for (digest, _) in &row.blobs {
                lease.add(digest);
            }
            // As long as the record is the same, nothing of it had gone before the lease.
            let now = self.row(image)?;
            if now.blobs == row.blobs && now.manifest == row.manifest && now.index == row.index {
                image.manifest = now.manifest;
                image.index = now.index;
                return Ok(now.blobs);
            }
            row = now;
        }
    }

    /// Whether an index lists nothing but this image and what is stated about it, and all of that is here.
    fn is_all(&self, image: &Image, blobs: &[(Digest, u64)]) -> bool {
        let Some(index) = &image.index else { return false };
        let Ok(bytes) = std::fs::read(self.store.blob_path(&index.digest)) else { return false };
        let Ok(index) = parse::<Index>(&bytes, index.digest.as_str(), "index") else {
            return false;
        };
        let is_here = |entry: &Descriptor| blobs.iter().any(|(digest, _)| *digest == entry.digest);
        index.manifests.iter().all(|entry| {
            entry.digest == image.manifest.digest
                || entry.attests() == Some(image.manifest.digest.as_str()) && is_here(entry)
        })
    }

    /// The images that a word means, each for all platforms that are here and with the name that the word gives it.
    fn meant(&self, word: &str) -> Result<Vec<(Vec<Image>, Option<ImageReference>)>> {
        let names_tag = word.rsplit('/').next().unwrap_or_default().contains([':', '@']);
        if !names_tag && let Ok(wanted) = word.parse::<ImageReference>() {
            let repository = wanted.repository();
            let mut meant = Vec::new();
            for image in self.list()?.iter() {
                let tags = image
                    .references
                    .iter()
                    .filter(|name| name.digest().is_none() && name.repository() == repository);
                for name in tags {
                    meant.push((self.resolve_all(&name.to_string())?, Some(name.clone())));
                }
            }
            if !meant.is_empty() {
                return Ok(meant);
            }
        }
        let images = self.resolve_all(word)?;
        let name = word.parse().ok().filter(|name| images[0].references.contains(name));
        Ok(vec![(images, name)])
    }

    fn row(&self, image: &Image) -> Result<ImageRow> {
        let row = self.db.read(|tx| IMAGES.get(tx, image.id.as_str()))?;
        row.ok_or_else(|| Error::NoSuchImage { reference: image.id.to_string() })
    }
}

impl Saving<'_> {
    /// The images that were chosen.
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        self.chosen.iter().flat_map(|one| &one.images)
    }

    /// Writes the archive: the documents that lead to the images last, so that they are never there without them.
    pub fn write(mut self, output: impl Write) -> Result<()> {
        let mut archive = Writer::new(output);
        let mut add = |path: &str, bytes: &[u8]| {
            archive.append_bytes(&Header::file(path, 0o644), bytes).map_err(Error::WriteArchive)
        };
        add("oci-layout", &json(&Layout { version: Layout::VERSION.to_owned() }, "layout")?)?;
        let (mut written, mut elsewhere) = (BTreeSet::new(), std::mem::take(&mut self.elsewhere));
        for one in &self.chosen {
            for (digest, size_bytes) in self.blobs(one)? {
                if written.insert(digest.clone()) {
                    let header =
                        Header { size: size_bytes, ..Header::file(blob_name(&digest), 0o644) };
                    let content = match elsewhere.remove(&digest) {
                        Some(content) => content,
                        None => self.images.open_blob(&digest)?,
                    };
                    archive.append(&header, content).map_err(Error::WriteArchive)?;
                }
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
        for Chosen { images, names, is_whole, .. } in &self.chosen {
            let index = images[0].index.clone().filter(|_| *is_whole);
            let plain: Vec<Descriptor> = match index {
                Some(index) => vec![index],
                None => images.iter().map(manifest_entry).collect(),
            };
            if names.is_empty() {
                entries.extend(plain.iter().cloned());
            }
            for name in names {
                for mut entry in plain.iter().cloned() {
                    let notes = &mut entry.annotations;
                    notes.insert(annotation::CONTAINERD_IMAGE_NAME.to_owned(), name.to_string());
                    if let Some(tag) = name.tag() {
                        notes.insert(annotation::REF_NAME.to_owned(), tag.to_owned());
                    }
                    entries.push(entry);
                }
            }
        }
        entries
    }

    /// The blobs of what was chosen. What came with an image and is none of its parts stays with its index.
    fn blobs(&self, one: &Chosen) -> Result<Vec<(Digest, u64)>> {
        let mut blobs = Vec::new();
        for (number, image) in one.images.iter().enumerate() {
            if one.is_whole {
                blobs.extend(one.blobs[number].iter().cloned());
                continue;
            }
            let manifest = self.manifest(image)?;
            let parts = manifest.layers.iter().chain([&manifest.config, &image.manifest]);
            blobs.extend(parts.map(|part| (part.digest.clone(), part.size)));
        }
        Ok(blobs)
    }

    fn manifest(&self, image: &Image) -> Result<Manifest> {
        parse(&self.document(&image.manifest)?, image.manifest.digest.as_str(), "manifest")
    }

    fn docker_images(&self) -> Result<Vec<DockerImage>> {
        let mut described = Vec::new();
        for one in &self.chosen {
            for (number, image) in one.images.iter().enumerate() {
                let manifest = self.manifest(image)?;
                let tagged = one.names.iter().filter(|name| name.digest().is_none());
                described.push(DockerImage {
                    config: blob_name(&manifest.config.digest),
                    // This format knows no platforms: a name leads to one image.
                    repo_tags: tagged
                        .filter(|_| number == 0)
                        .map(ImageReference::familiar)
                        .collect(),
                    layers: manifest.layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
                });
            }
        }
        Ok(described)
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let path = self.images.store.blob_path(&descriptor.digest);
        std::fs::read(&path).map_err(|source| Error::io("read", &path, source))
    }
}

/// Whether one index leads to all of them.
fn have_one_index(images: &[Image]) -> bool {
    let index = images[0].index.as_ref();
    index.is_some() && images.iter().all(|image| image.index.as_ref() == index)
}

fn manifest_entry(image: &Image) -> Descriptor {
    let Descriptor { media_type, digest, size, .. } = &image.manifest;
    Descriptor {
        platform: Some(image.config.platform.clone()),
        ..Descriptor::new(media_type, digest.clone(), *size)
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

fn json(document: &impl Serialize, what: &'static str) -> Result<Vec<u8>> {
    crate::import::encode(document, what)
}
