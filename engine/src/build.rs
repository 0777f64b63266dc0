//! `build`: from a Dockerfile and its context to an image. What a build is made of is `gantry_build`'s matter; here is the workshop
//! where it happens.

mod caches;
mod context;
mod lines;
mod prune;
mod run;
mod secrets;
mod usage;
mod workshop;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use gantry_api::image::ProgressMessage;
pub use gantry_build::Secret;
use gantry_build::{Plan, Request, RunNetwork};
use gantry_dockerfile::{Dockerfile, Source};
use gantry_images::Loaded;
use gantry_registry_client::Credentials;
use gantry_types::{Digest, ImageReference};
use tokio::sync::mpsc;

use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, housekeeping, image};
use context::Room;
use lines::Lines;
use workshop::Bench;

pub(crate) use caches::Caches;
pub use prune::{BuildCachePruned, prune};
pub(crate) use prune::{chains, reconcile};
pub(crate) use usage::disk_usage;

/// What is to be built.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// Names of the image.
    pub tags: Vec<String>,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// Values of `ARG`s; one without a value is the daemon's own variable, which it does not have.
    pub arguments: BTreeMap<String, Option<String>>,
    pub labels: BTreeMap<String, String>,
    /// The stage; the last one by default.
    pub target: Option<String>,
    /// `os/architecture[/variant]`.
    pub platform: Option<String>,
    /// The network of steps that ask for none.
    pub network: String,
    pub no_cache: bool,
    pub no_cache_stages: Vec<String>,
    /// Ask registries for newer base images.
    pub pull: bool,
    /// Say the image's id and nothing else.
    pub quiet: bool,
    pub secrets: BTreeMap<String, Secret>,
    /// By registry.
    pub credentials: BTreeMap<String, Credentials>,
}

/// Builds an image of the archive of a context, plain or compressed, and tells how it goes as Docker's builder does. `archive` is read
/// on a thread that may block.
pub async fn build(
    engine: &Engine,
    archive: impl Read + Send + 'static,
    request: BuildRequest,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let references = references(&request.tags)?;
    let (building, telling) = (engine.clone(), progress.clone());
    let runtime = tokio::runtime::Handle::current();
    let quiet = request.quiet;
    let (loaded, pins) = image::intake(move || {
        let bench = Bench::new(&building, runtime, &request);
        let loaded = make(&building, &bench, archive, &request, (references, &telling))?;
        Ok((loaded, bench.into_pins()))
    })
    .await?;
    let id = loaded.id.digest().clone();
    let names: Vec<String> = loaded.references.iter().map(ImageReference::familiar).collect();
    image::unpack::unpack(engine, vec![loaded]).await?;
    drop(pins);
    housekeeping::flush_soon(engine);
    for message in lines::of_result(&id, &names, quiet) {
        // A client that no longer listens has its image all the same.
        drop(progress.send(message).await);
    }
    Ok(())
}

fn make(
    engine: &Engine,
    bench: &Bench<'_>,
    archive: impl Read + Send,
    request: &BuildRequest,
    (references, progress): (Vec<ImageReference>, &mpsc::Sender<ProgressMessage>),
) -> Result<Loaded> {
    let room = Room::make(engine)?;
    bench.use_room(room.path());
    room.unpack(archive)?;
    let (text, ignore) = room.read(&request.dockerfile)?;
    let source = Source::parse(&text).map_err(|error| Error::Build(error.into()))?;
    let dockerfile = Dockerfile::read(&source).map_err(|error| Error::Build(error.into()))?;
    let plan = Plan { dockerfile, context: room.context(ignore)?, request: plan(request)? };
    let lines = Lines::new(progress, request.quiet);
    let built = gantry_build::build(bench, &engine.build_memory, &plan, &lines)?;
    let layers = built.layers.into_iter().map(|layer| (layer.diff_id, layer.blob)).collect();
    Ok(engine.images.make(built.config, layers, references)?)
}

fn plan(request: &BuildRequest) -> Result<Request> {
    let host = image::host_platform();
    let platform = match request.platform.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => image::parse_platform(text)?,
        None => host.clone(),
    };
    if platform.architecture != host.architecture || platform.os != host.os {
        return Err(Error::not_there_yet(format!("building for {platform} on {host}")));
    }
    let given = request.arguments.iter();
    let arguments = given.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    Ok(Request {
        target: request.target.clone(),
        arguments: arguments.collect(),
        labels: request.labels.clone(),
        platform,
        host,
        ignores_memory: request.no_cache,
        forgets_stages: request.no_cache_stages.iter().cloned().collect::<BTreeSet<_>>(),
        network: match request.network.as_str() {
            "" | "default" => RunNetwork::Default,
            "none" => RunNetwork::None,
            "host" => RunNetwork::Host,
            name => RunNetwork::Named(name.to_owned()),
        },
        secrets: request.secrets.clone(),
        now: gantry_sys::clock::now(),
    })
}

fn references(tags: &[String]) -> Result<Vec<ImageReference>> {
    let read = |text: &String| {
        let reference: ImageReference = text
            .parse()
            .map_err(|error| Error::invalid(format!("invalid tag {text:?}: {error}")))?;
        if reference.digest().is_some() {
            return Err(Error::invalid(format!("invalid tag {text:?}: it has a digest")));
        }
        Ok(reference)
    };
    tags.iter().filter(|text| !text.is_empty()).map(read).collect()
}

/// A layer's place in a chain of layers.
fn chain(below: &[gantry_build::Layer]) -> Vec<Digest> {
    below.iter().map(|layer| layer.diff_id.clone()).collect()
}
