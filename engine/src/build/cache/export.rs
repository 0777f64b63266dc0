//! Writing down what the steps of a build gave, for builds elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use gantry_api::image::ProgressMessage;
use gantry_archive::{Compression, Header, Writer};
use gantry_build::{Built, Done, Layer};
use gantry_images::Lease;
use gantry_oci::image::{BuildCache, CachedStep, Descriptor, Index, Layout, Manifest, media_type};
use gantry_registry_client::Document;
use gantry_types::{Algorithm, Digest, error_chain};
use serde_json::json;
use tokio::sync::mpsc;

use super::given::CachePlace;
use super::{CacheTo, Mode};
use crate::Result;
use crate::build::outputs::{self, Results};
use crate::build::report::Listener;
use crate::build::{BuildRequest, exchange};
use crate::engine::Engine;
use crate::error::Error;
use crate::image::{self, PushRequest};

/// Puts the steps of each image into its configuration, where that is asked for.
pub(in crate::build) fn add_inline(results: &mut Results, request: &BuildRequest) {
    if !request.cache_to.iter().any(|to| to.place == CachePlace::Inline) {
        return;
    }
    for built in &mut results.built {
        let (mut cache, layers) = collect(std::slice::from_ref(built), Mode::Min);
        let place =
            |layer: &Layer| built.layers.iter().position(|own| own.diff_id == layer.diff_id);
        for step in &mut cache.steps {
            step.layer = step.layer.and_then(|number| place(&layers[number]));
        }
        cache.layers = Vec::new();
        built.config.build_cache = Some(Box::new(cache));
    }
}

/// Writes the steps to all other places that are asked for.
pub(in crate::build) async fn export(
    engine: &Engine,
    results: &Results,
    request: &BuildRequest,
    listener: &Listener,
) -> Result<()> {
    for (number, to) in request.cache_to.iter().enumerate() {
        listener.check()?;
        let exported = match &to.place {
            CachePlace::Inline => continue,
            CachePlace::Registry(reference) => {
                let credentials = request.credentials.get(reference.domain()).cloned();
                let push = PushRequest {
                    reference: reference.clone(),
                    platform: None,
                    compression: to.compression.unwrap_or(Compression::Gzip),
                    credentials,
                    is_insecure: false,
                };
                let telling = request.telling;
                outputs::pushed(telling, listener, |audience| {
                    to_registry(engine, results, (to, push), audience)
                })
                .await
            }
            CachePlace::Local => to_client(engine, results, (number, to), listener).await,
        };
        match exported {
            Err(error) if to.ignores_errors => {
                let text = format!("WARNING: the cache is not written: {}\n", error_chain(&error));
                listener.tell(ProgressMessage::stream(text)).await;
            }
            exported => exported?,
        }
    }
    Ok(())
}

async fn to_registry(
    engine: &Engine,
    results: &Results,
    (to, push): (&CacheTo, PushRequest),
    audience: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let (steps, layers) = collect(&results.built, to.mode);
    let layers = layers.into_iter().map(|layer| layer.blob).collect();
    let storing = engine.clone();
    let (manifest, _lease) = image::intake(move || {
        let (config, lease) = store(&storing, &steps)?;
        Ok((Manifest::new(config, layers), lease))
    })
    .await?;
    image::push_artifact(engine, push, manifest, audience).await
}

/// Hands the client an OCI layout.
async fn to_client(
    engine: &Engine,
    results: &Results,
    (number, to): (usize, &CacheTo),
    listener: &Listener,
) -> Result<()> {
    let (mut steps, layers) = collect(&results.built, to.mode);
    let compression = to.compression.unwrap_or(Compression::Plain);
    let packing = engine.clone();
    let (blobs, leases) = image::intake(move || {
        let mut leases = Vec::new();
        let blobs = outputs::compressed(&packing, &layers, compression.into(), &mut leases)?;
        Ok((blobs, leases))
    })
    .await?;
    steps.layers = blobs.iter().map(|(diff_id, _)| diff_id.clone()).collect();
    let reading = engine.clone();
    let write = move |output: &mut dyn Write| {
        let written = layout(&reading, &steps, &blobs, output);
        drop(leases);
        written
    };
    exchange::offer(engine, listener, json!({ "cache": number }), write).await
}

/// Writes a layout: what leads to the rest comes last.
fn layout(
    engine: &Engine,
    steps: &BuildCache,
    layers: &[(Digest, Descriptor)],
    output: &mut dyn Write,
) -> Result<()> {
    let failed = |error| Error::Build(gantry_build::Error::Archive(error));
    let name = |digest: &Digest| format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex());
    let mut archive = Writer::new(output);
    for (_, blob) in layers {
        let header = Header { size: blob.size, ..Header::file(name(&blob.digest), 0o644) };
        archive.append(&header, engine.images.open_blob(&blob.digest)?).map_err(failed)?;
    }
    let config = Document::new(media_type::BUILD_CACHE, json(steps)?);
    let described = |one: &Document| {
        Descriptor::new(&one.media_type, one.digest.clone(), one.bytes.len() as u64)
    };
    let blobs = layers.iter().map(|(_, blob)| blob.clone()).collect();
    let manifest =
        Document::new(media_type::OCI_MANIFEST, json(&Manifest::new(described(&config), blobs))?);
    let index = Index::new(vec![described(&manifest)]);
    let version = Layout { version: Layout::VERSION.to_owned() };
    for (path, bytes) in [
        (name(&config.digest), config.bytes),
        (name(&manifest.digest), manifest.bytes),
        ("oci-layout".to_owned(), json(&version)?),
        ("index.json".to_owned(), json(&index)?),
    ] {
        archive.append_bytes(&Header::file(path, 0o644), &bytes).map_err(failed)?;
    }
    archive.finish().map(drop).map_err(failed)
}

fn store(engine: &Engine, steps: &BuildCache) -> Result<(Descriptor, Lease)> {
    let mut writer = engine.images.blob_writer(Algorithm::Sha256)?;
    writer.append(&json(steps)?)?;
    let stored = writer.commit(None)?;
    let config = Descriptor::new(media_type::BUILD_CACHE, stored.digest, stored.size_bytes);
    Ok((config, stored.lease))
}

fn json(document: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(document)
        .map_err(|error| Error::invalid(format!("write down the steps of a build: {error}")))
}

/// The steps that count, and their layers, each once. The order is that of the keys, whatever ran first.
fn collect(built: &[Built], mode: Mode) -> (BuildCache, Vec<Layer>) {
    let mut chosen: BTreeMap<&str, &Done> = BTreeMap::new();
    for one in built {
        let is_meant = |done: &&Done| {
            let above = done.below.iter().chain(&done.layer);
            mode == Mode::Max
                || above.clone().count() <= one.layers.len()
                    && above.zip(&one.layers).all(|(own, layer)| own.diff_id == layer.diff_id)
        };
        chosen.extend(one.steps.iter().filter(is_meant).map(|done| (done.key.as_str(), done)));
    }
    let (mut layers, mut places) = (Vec::<Layer>::new(), HashMap::<&Digest, usize>::new());
    let mut steps = Vec::with_capacity(chosen.len());
    for done in chosen.into_values() {
        let layer = done.layer.as_ref().map(|layer| {
            *places.entry(&layer.diff_id).or_insert_with(|| {
                layers.push(layer.clone());
                layers.len() - 1
            })
        });
        let (key, created, text) =
            (done.key.clone(), done.created.to_string(), done.written.clone());
        steps.push(CachedStep { key, layer, created, text });
    }
    let diff_ids = layers.iter().map(|layer| layer.diff_id.clone()).collect();
    (BuildCache { steps, layers: diff_ids }, layers)
}
