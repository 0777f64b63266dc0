//! Steps that were done elsewhere: which there are is read when a build begins, what they gave when one is needed.

use std::collections::HashMap;
use std::io;

use gantry_api::image::ProgressMessage;
use gantry_build::{Imported, Layer};
use gantry_oci::image::{
    BuildCache, CachedStep, Descriptor, ImageConfig, Index, Manifest, media_type,
};
use gantry_registry_client::{Access, Repository};
use gantry_types::{Digest, error_chain};
use serde::de::DeserializeOwned;

use super::CacheFrom;
use crate::build::BuildRequest;
use crate::build::client_folder::{ClientFolder, INDEX};
use crate::build::report::Listener;
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, image};

/// All caches of one build.
pub(in crate::build) struct Imports {
    caches: Vec<Cache>,
    listener: Listener,
}

struct Cache {
    from: Origin,
    steps: HashMap<Digest, CachedStep>,
    /// The diffID and the blob of each layer.
    layers: Vec<(Digest, Descriptor)>,
}

enum Origin {
    Registry(Box<Repository>),
    Client(ClientFolder),
}

/// The documents of a cache: the steps, and the layers.
type Found = (BuildCache, Vec<(Digest, Descriptor)>);

impl Imports {
    /// Reads what caches have. One that cannot be read is told of, and passed over: a build needs none.
    pub(in crate::build) fn read(
        engine: &Engine,
        request: &BuildRequest,
        listener: &Listener,
    ) -> Self {
        let mut imports = Self { caches: Vec::new(), listener: listener.clone() };
        for (number, from) in request.cache_from.iter().enumerate() {
            let (name, from) = match from {
                CacheFrom::Registry(reference) => {
                    let credentials = request.credentials.get(reference.domain()).cloned();
                    let registries = engine.live.registries();
                    let repository = registries.repository(reference, credentials, Access::Pull);
                    let tag = reference.digest().map(Digest::as_str).or(reference.tag());
                    let tag = tag.unwrap_or("latest").to_owned();
                    (reference.familiar(), (Origin::Registry(Box::new(repository)), tag))
                }
                CacheFrom::Local => {
                    let listener = listener.clone();
                    let folder = ClientFolder { kind: "cache", number, listener };
                    ("the client's folder".to_owned(), (Origin::Client(folder), INDEX.to_owned()))
                }
            };
            match open(engine, from) {
                Ok(cache) => imports.caches.push(cache),
                Err(error) => {
                    let text =
                        format!("WARNING: cache {name} is not used: {}\n", error_chain(&error));
                    listener.say(ProgressMessage::stream(text));
                }
            }
        }
        imports
    }

    /// What the step of this key gave, if a cache has it and it can be had. `place` makes a layer of a blob that is here.
    pub(in crate::build) fn find(
        &self,
        engine: &Engine,
        key: &Digest,
        place: impl Fn(&Digest, &Descriptor, Option<gantry_images::Lease>) -> Result<Layer>,
    ) -> Result<Option<Imported>> {
        for cache in &self.caches {
            let Some(step) = cache.steps.get(key) else { continue };
            let Ok(created) = step.created.parse() else { continue };
            let layer = match step.layer {
                None => None,
                Some(number) => {
                    let (diff_id, blob) = &cache.layers[number];
                    let brought = self.bring(engine, cache, blob);
                    match brought.and_then(|lease| place(diff_id, blob, lease)) {
                        Ok(layer) => Some(layer),
                        Err(error @ Error::Build(gantry_build::Error::Cancelled)) => {
                            return Err(error);
                        }
                        Err(error) => {
                            let error = error_chain(&error);
                            tracing::warn!(%key, error, "a cache's layer cannot be used");
                            continue;
                        }
                    }
                }
            };
            return Ok(Some(Imported { layer, created, text: step.text.clone() }));
        }
        Ok(None)
    }

    /// Sees to it that a blob is here, and keeps it.
    fn bring(
        &self,
        engine: &Engine,
        cache: &Cache,
        blob: &Descriptor,
    ) -> Result<Option<gantry_images::Lease>> {
        if let Some(lease) = engine.images.lease_blob(&blob.digest)? {
            return Ok(Some(lease));
        }
        let mut writer = engine.images.blob_writer(blob.digest.algorithm())?;
        match &cache.from {
            Origin::Registry(repository) => {
                let listener = &self.listener;
                repository.fetch_blob(&blob.digest, blob.size, 0, &mut |piece| {
                    listener.check().map_err(io::Error::other)?;
                    writer.append(piece).map_err(io::Error::other)
                })?;
            }
            Origin::Client(folder) => folder.write(engine, blob, &mut writer)?,
        }
        Ok(Some(writer.commit(Some(&blob.digest))?.lease))
    }
}

fn open(engine: &Engine, (from, name): (Origin, String)) -> Result<Cache> {
    let (cache, layers) = match &from {
        Origin::Registry(repository) => of_registry(repository, &name)?,
        Origin::Client(folder) => of_client(engine, folder)?,
    };
    if cache.steps.iter().any(|step| step.layer.is_some_and(|layer| layer >= layers.len())) {
        return Err(Error::invalid("it names layers that it does not have"));
    }
    let steps = cache.steps.into_iter().map(|step| (step.key.clone(), step)).collect();
    Ok(Cache { from, steps, layers })
}

fn of_client(engine: &Engine, folder: &ClientFolder) -> Result<Found> {
    let index: Index = folder.document(engine, INDEX)?;
    let entry = index.manifests.last().ok_or_else(|| Error::invalid("it is empty"))?;
    let manifest: Manifest = folder.document(engine, entry.digest.as_str())?;
    let steps: BuildCache = folder.document(engine, manifest.config.digest.as_str())?;
    let layers = layers(&steps.layers, manifest)?;
    Ok((steps, layers))
}

fn of_registry(repository: &Repository, tag: &str) -> Result<Found> {
    fn read<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::invalid(format!("its {what} cannot be read: {error}")))
    }
    let mut document = repository.manifest(tag)?;
    if media_type::is_index(&document.media_type) {
        let index: Index = read(&document.bytes, "index")?;
        let host = image::host_platform();
        let own = |entry: &&Descriptor| {
            let platform = entry.platform.as_ref();
            entry.attests().is_none()
                && platform.is_none_or(|own| own.architecture == host.architecture)
        };
        let entry = index.manifests.iter().find(own);
        let entry = entry.ok_or_else(|| Error::invalid("it has no image for this platform"))?;
        document = repository.manifest(entry.digest.as_str())?;
    }
    let manifest: Manifest = read(&document.bytes, "manifest")?;
    let config = repository.document_blob(&manifest.config.digest, manifest.config.size)?;
    if manifest.config.media_type == media_type::BUILD_CACHE {
        let steps: BuildCache = read(&config, "steps")?;
        let layers = layers(&steps.layers, manifest)?;
        return Ok((steps, layers));
    }
    let config: ImageConfig = read(&config, "configuration")?;
    let steps = config.build_cache.ok_or_else(|| Error::invalid("the image has no cache in it"))?;
    layers(&config.rootfs.diff_ids, manifest).map(|layers| (*steps, layers))
}

fn layers(diff_ids: &[Digest], manifest: Manifest) -> Result<Vec<(Digest, Descriptor)>> {
    if diff_ids.len() != manifest.layers.len() {
        return Err(Error::invalid("it has not as many layers as it says"));
    }
    Ok(diff_ids.iter().cloned().zip(manifest.layers).collect())
}
