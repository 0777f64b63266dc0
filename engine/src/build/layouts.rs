//! `oci-layout://`: images out of folders with the client. Of one that is needed the documents and the layers are brought; it becomes
//! no image of this engine's.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use gantry_build::{Base, Layer};
use gantry_images::Step;
use gantry_oci::image::{Descriptor, ImageConfig, Index, Manifest, Platform, annotation};
use gantry_types::Digest;

use super::attest::Material;
use super::client_folder::{ClientFolder, INDEX};
use super::workshop::Bench;
use crate::Result;
use crate::error::Error;

/// How values begin of contexts that are images in the client's folders: a number follows, and `:TAG` or `@DIGEST`.
pub(super) const LAYOUT: &str = "oci-layout:";
/// What its folders are called in messages to the client.
const KIND: &str = "layout";
/// Indexes in indexes.
const MAX_DEPTH: usize = 4;
/// The most layers that overlayfs can stack.
const MAX_LAYERS: usize = 500;

/// What was brought: by value and platform.
#[derive(Default)]
pub(super) struct Layouts {
    known: Mutex<BTreeMap<(String, String), Base>>,
}

/// Which image of a layout is meant.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    number: usize,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Asked {
    fn read(value: &str) -> Result<Self> {
        let invalid = || {
            Error::invalid(format!(
                "invalid layout {value:?}: its number is needed, and :TAG or @DIGEST"
            ))
        };
        let rest = value.strip_prefix(LAYOUT).ok_or_else(invalid)?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| invalid())?)),
            None => (rest, None),
        };
        let (number, tag) = match rest.split_once(':') {
            Some((number, tag)) => (number, Some(tag.to_owned())),
            None => (rest, None),
        };
        Ok(Self { number: number.parse().map_err(|_| invalid())?, tag, digest })
    }

    /// The entry that is meant: by its digest, by its tag, or the only one.
    fn choose(&self, index: Index) -> Result<Descriptor> {
        let tagged = |entry: &Descriptor, wanted: &str| {
            let name = entry.annotations.get(annotation::REF_NAME);
            let full = entry.annotations.get(annotation::CONTAINERD_IMAGE_NAME);
            let has = |name: &String| {
                name == wanted || name.rsplit_once(':').is_some_and(|(_, tag)| tag == wanted)
            };
            name.is_some_and(has) || full.is_some_and(has)
        };
        let names = index.manifests.iter();
        let names = names.filter_map(|entry| entry.annotations.get(annotation::REF_NAME));
        let names: Vec<String> = names.take(20).cloned().collect();
        let count = index.manifests.len();
        let mut entries = index.manifests.into_iter();
        let (found, wanted) = match (&self.digest, &self.tag) {
            (Some(digest), _) => {
                (entries.find(|entry| entry.digest == *digest), digest.to_string())
            }
            (None, Some(tag)) => (entries.find(|entry| tagged(entry, tag)), tag.clone()),
            (None, None) if count == 1 => (entries.next(), String::new()),
            (None, None) => (entries.find(|entry| tagged(entry, "latest")), "latest".to_owned()),
        };
        found.ok_or_else(|| {
            Error::invalid(format!(
                "the layout has no image {wanted:?}: name one of [{}], or its digest after an @",
                names.join(", ")
            ))
        })
    }
}

impl Layouts {
    /// An image with its layers; whoever comes second waits and finds it.
    pub(super) fn image(
        &self,
        bench: &Bench<'_>,
        value: &str,
        platform: &Platform,
    ) -> Result<Base> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (value.to_owned(), platform.to_string());
        if let Some(base) = known.get(&place) {
            return Ok(base.clone());
        }
        let base = bring(bench, &Asked::read(value)?, platform)?;
        known.insert(place, base.clone());
        Ok(base)
    }
}

fn bring(bench: &Bench<'_>, asked: &Asked, platform: &Platform) -> Result<Base> {
    let engine = bench.engine;
    let listener = bench.listener().clone();
    let folder = ClientFolder { kind: KIND, number: asked.number, listener };
    let entry = asked.choose(folder.document(engine, INDEX)?)?;
    bench.note(Material::new("oci-layout".to_owned(), &entry.digest));
    let manifest = descend(bench, &folder, entry, platform)?;
    let config: ImageConfig = folder.document(engine, manifest.config.digest.as_str())?;
    let ids = config.rootfs.diff_ids.clone();
    if ids.len() != manifest.layers.len() || ids.len() > MAX_LAYERS {
        return Err(Error::invalid(format!(
            "the image in the layout has {} layers, and {} are described: as many are needed, and {MAX_LAYERS} at most",
            manifest.layers.len(),
            ids.len()
        )));
    }
    let mut layers: Vec<Layer> = Vec::with_capacity(ids.len());
    for (diff_id, blob) in ids.iter().zip(&manifest.layers) {
        let lease = folder.bring(engine, blob)?;
        let layer = bench.place(&layers, (diff_id, blob), Some(lease))?;
        layers.push(layer);
    }
    Ok(Base { layers, config })
}

fn descend(
    bench: &Bench<'_>,
    folder: &ClientFolder,
    mut entry: Descriptor,
    platform: &Platform,
) -> Result<Manifest> {
    for _ in 0..MAX_DEPTH {
        let name = entry.digest.as_str();
        let bytes = folder.bytes(bench.engine, name)?;
        match Step::read(&entry.media_type, &bytes, name, Some(platform))? {
            Step::Image(manifest) => return Ok(*manifest),
            Step::Descend(listed) => entry = *listed,
        }
    }
    Err(Error::invalid(format!("the layout has indexes in indexes deeper than {MAX_DEPTH} levels")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(byte: char, name: &str) -> Descriptor {
        let digest = format!("sha256:{}", byte.to_string().repeat(64)).parse().unwrap();
        let mut entry = Descriptor::new("application/vnd.oci.image.manifest.v1+json", digest, 2);
        if !name.is_empty() {
            entry.annotations.insert(annotation::REF_NAME.to_owned(), name.to_owned());
        }
        entry
    }

    #[test]
    fn images_are_found_by_tag_by_digest_and_alone() {
        let index = || Index::new(vec![entry('a', "1"), entry('b', "x/y:2"), entry('c', "latest")]);
        let chosen = |value: &str, index: Index| {
            let found = Asked::read(value).and_then(|asked| asked.choose(index));
            found.map(|found| found.digest.hex()[..1].to_owned())
        };
        assert_eq!(chosen("oci-layout:0:1", index()).unwrap(), "a");
        assert_eq!(chosen("oci-layout:0:2", index()).unwrap(), "b");
        assert_eq!(chosen("oci-layout:0", index()).unwrap(), "c");
        let digest = format!("oci-layout:7@sha256:{}", "b".repeat(64));
        assert_eq!(chosen(&digest, index()).unwrap(), "b");
        assert_eq!(chosen("oci-layout:0", Index::new(vec![entry('d', "")])).unwrap(), "d");
        let missing = chosen("oci-layout:0:3", index()).unwrap_err().to_string();
        assert!(missing.contains("no image \"3\": name one of [1, x/y:2, latest]"), "{missing}");
        for value in ["oci-layout:x", "oci-layout:0@x", "layout:0"] {
            assert!(Asked::read(value).is_err(), "{value}");
        }
    }
}
