//! `build`: from a Dockerfile and its context to an image. What a build is made of is `gantry_build`'s matter; here is the workshop
//! where it happens.

mod attest;
mod cache;
mod caches;
mod checks;
mod client_folder;
mod context;
mod contexts;
mod counts;
mod downloads;
mod emulation;
pub mod exchange;
mod failed;
mod flow;
mod full;
mod history;
mod layouts;
mod mirror;
mod moment;
mod mounts;
pub mod outputs;
mod prune;
mod report;
mod repositories;
mod run;
mod sandboxes;
mod secrets;
mod selection;
mod squash;
mod ssh;
mod summed;
mod usage;
mod workshop;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use gantry_api::container::HostConfig;
use gantry_api::image::ProgressMessage;
pub use gantry_build::Secret;
use gantry_build::{Grants, Plan, Request, RunNetwork};
use gantry_dockerfile::{Dockerfile, Source};
use gantry_oci::image::Platform;
use gantry_registry_client::Credentials;
use gantry_types::{Digest, ImageReference, Timestamp};
use tokio::sync::mpsc;

use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, image};
use context::Room;
use history::{Chronicle, Subject};
use mirror::Mirror;
use outputs::Results;
pub use outputs::{Annotation, Form as OutputForm, Output};
use report::{Listener, Report};
use workshop::Bench;

pub use attest::{Attestations, Detail};
use attest::{Course, Source as Followed};
use cache::Imports;
pub use cache::{CacheFrom, CachePlace, CacheTo, Mode as CacheMode};
pub(crate) use caches::Caches;
pub use caches::{export_mount, import_mount};
pub(crate) use counts::FailureCounts;
pub(crate) use exchange::Exchanges;
use exchange::Heard;
pub(crate) use full::Clearing;
pub(crate) use history::History;
pub use history::{cancel, inspect, list, logs, prune_history, remove};
pub use prune::{BuildCachePruned, prune};
pub(crate) use prune::{chains, reconcile};
pub use report::Telling;
pub use selection::PruneOptions;
pub(crate) use usage::disk_usage;

/// The most platforms that one build is for.
const MAX_PLATFORMS: usize = 20;

/// What is to be built.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a build has as many switches")]
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
    /// What the client wants to hear.
    pub telling: Telling,
    /// Keep a command that fails as an image.
    pub keeps_failure: bool,
    /// The client's own name for the build, by which it can be cancelled; empty where it has none.
    pub called: String,
    pub secrets: BTreeMap<String, Secret>,
    /// The user's own directory, where that is the context. What is in the archive counts first.
    pub directory: Option<Arc<OwnedFd>>,
    /// What the client calls its folder, where that is the context and of which only what changed is sent.
    pub mirrored: Option<String>,
    /// The address of the context, where no archive is it.
    pub remote: Option<String>,
    /// Contexts by names: `upload:FOLDER` of the archive, `docker-image://IMAGE`, or an address.
    pub contexts: BTreeMap<String, String>,
    /// SSH agents, by id.
    pub agents: BTreeMap<String, AgentPlace>,
    /// What steps may have that ask for it: `network.host`, `security.insecure`, `device`.
    pub grants: Vec<String>,
    /// What the containers of steps have beside what all have: limits, hosts.
    pub around: HostConfig,
    /// By registry.
    pub credentials: BTreeMap<String, Credentials>,
    /// What becomes of the result; an image of this engine where nothing is said.
    pub outputs: Vec<Output>,
    /// Notes on the documents of images.
    pub annotations: Vec<Annotation>,
    /// All that is put above the base image becomes one layer.
    pub is_squashed: bool,
    /// The result depends on nothing but what goes in.
    pub is_reproducible: bool,
    /// Nothing that is made says that it is later than this: what `SOURCE_DATE_EPOCH` among the arguments says counts.
    pub epoch: Option<Timestamp>,
    /// Tell of the result's digests.
    pub tells_metadata: bool,
    /// Where steps are looked for that were done elsewhere.
    pub cache_from: Vec<CacheFrom>,
    /// Where what steps gave is written to.
    pub cache_to: Vec<CacheTo>,
    /// What is stated about the images.
    pub attestations: Attestations,
}

/// Where an SSH agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentPlace {
    /// At a socket of this machine.
    Here(PathBuf),
    /// With the client, who opens connections to it where it is asked for them.
    WithClient,
}

/// Builds an image of the archive of a context, plain or compressed, and tells how it goes as Docker's builder does. `archive` is read
/// on a thread that may block; a read that ends with `TimedOut` is tried again as long as somebody waits for the build.
pub async fn build(
    engine: &Engine,
    archive: impl Read + Send + 'static,
    request: BuildRequest,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let subject = Subject {
        called: request.called.clone(),
        tags: request.tags.clone(),
        dockerfile: request.dockerfile.clone(),
        target: request.target.clone().unwrap_or_default(),
        platform: request.platform.clone().unwrap_or_default(),
    };
    let history = &engine.build_history;
    let chronicle = history.begin(subject)?;
    let does_again = request.no_cache || !request.no_cache_stages.is_empty();
    let unended = history.unended(&chronicle);
    let built = build_told(engine, archive, request, (&progress, &chronicle)).await;
    let built = built.map_err(full::with_remedy);
    let is_full = matches!(built, Err(Error::BuildFull { .. }));
    unended.end(built.as_ref());
    if let Err(error) = &built {
        engine.failed_builds.count(error);
    }
    if is_full {
        full::clear_up(engine).await;
    }
    if does_again {
        prune::collect(engine).await;
    }
    built.map(drop)
}

/// The image's id.
async fn build_told(
    engine: &Engine,
    archive: impl Read + Send + 'static,
    mut request: BuildRequest,
    (progress, chronicle): (&mpsc::Sender<ProgressMessage>, &Arc<Chronicle>),
) -> Result<Digest> {
    request.epoch = moment::of(&request)?;
    if request.is_squashed && request.cache_to.iter().any(|to| to.place == CachePlace::Inline) {
        return Err(Error::invalid(
            "a squashed image has no layers of single steps that it could be a cache of: leave out --squash, or keep the cache beside it (--cache-to type=registry,ref=…)",
        ));
    }
    references(&request.tags)?;
    let listener = Listener::new(progress.clone(), Arc::clone(chronicle));
    let (building, hearing) = (engine.clone(), listener.clone());
    let runtime = tokio::runtime::Handle::current();
    let (results, pins, request) = image::intake(move || {
        let bench = Bench::new(&building, runtime, &request, &hearing);
        let report = Report::new(&hearing, request.telling);
        bench.use_imports(Imports::read(&building, &request, &hearing));
        let results = make(&building, &bench, archive, &request, &report)?;
        Ok((results, bench.into_pins(), request))
    })
    .await?;
    let mut results = results;
    cache::add_inline(&mut results, &request);
    cache::export(engine, &results, &request, &listener).await?;
    // Caches have the steps' own layers.
    if let Some(squashed) = results.squashed.take() {
        results.built = squashed;
    }
    let id = outputs::deliver(engine, results, &request, &listener).await?;
    drop(pins);
    Ok(id)
}

fn make(
    engine: &Engine,
    bench: &Bench<'_>,
    archive: impl Read + Send,
    request: &BuildRequest,
    report: &Report<'_>,
) -> Result<Results> {
    let mut room = Room::make(engine, request.directory.clone())?;
    bench.use_room(room.path());
    let part = report.part("[internal] load build context");
    let wanted = || bench.listener().check();
    if let Some(address) = &request.remote {
        contexts::fetch(bench, address, &room.files(), &wanted)?;
    }
    if let Some(key) = &request.mirrored {
        room.use_mirror(Mirror::fill(bench, room.path(), key)?);
    }
    // Beside what is at an address, an archive has a Dockerfile at most, and folders with names.
    let is_beside = request.dockerfile.starts_with(context::BESIDE);
    if request.remote.is_none() || is_beside || contexts::are_uploaded(request) {
        let listener = bench.listener();
        listener.judge(room.unpack(Heard { content: archive, listener }))?;
    }
    let contexts = contexts::named(bench, request, &room.files(), &wanted)?;
    drop(part);
    let (text, ignore) = room.read(&request.dockerfile)?;
    let source = Source::parse(&text).map_err(|error| Error::Build(error.into()))?;
    let dockerfile = Dockerfile::read(&source).map_err(|error| Error::Build(error.into()))?;
    checks::check(&source, &dockerfile, (&ignore, request))?;
    let context = room.context(engine, ignore, request.no_cache)?;
    let hashes = context.hashes.clone();
    let mut plan = Plan { dockerfile, context, contexts, request: plan(request)? };
    let mut all = Vec::new();
    let platforms = platforms(request)?;
    let are_several = platforms.len() > 1;
    for (index, platform) in platforms.into_iter().enumerate() {
        let course = report.course(index, are_several.then(|| platform.to_string()));
        plan.request.platform = platform;
        let built = gantry_build::build(bench, &engine.build_memory, &plan, &course);
        all.push(built.inspect_err(|error| report.failed(error, &text, bench.failed()))?);
    }
    if let Some(hashes) = hashes {
        context::keep(engine, &hashes);
    }
    let source = Followed { path: &request.dockerfile, text: &text };
    let course = Course { began: plan.request.now, materials: bench.materials(), source };
    let state = |built| attest::predicates(engine, built, request, (&course, &wanted));
    let predicates = all.iter().map(state).collect::<Result<_>>()?;
    let squashed = || all.iter().map(|built| squash::squash(bench, built, request.epoch)).collect();
    let squashed = request.is_squashed.then(squashed).transpose()?;
    Ok(Results { built: all, squashed, predicates })
}

fn plan(request: &BuildRequest) -> Result<Request> {
    let host = image::host_platform();
    let given = request.arguments.iter();
    let arguments = given.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    Ok(Request {
        target: request.target.clone(),
        arguments: arguments.collect(),
        labels: request.labels.clone(),
        platform: host.clone(),
        host,
        ignores_memory: request.no_cache,
        forgets_stages: request.no_cache_stages.iter().cloned().collect::<BTreeSet<_>>(),
        network: match request.network.as_str() {
            "" | "default" => RunNetwork::Default,
            "none" => RunNetwork::None,
            "host" => RunNetwork::Host,
            name => RunNetwork::Named(name.to_owned()),
        },
        surroundings: surroundings(&request.around),
        grants: grants(&request.grants)?,
        secrets: request.secrets.clone(),
        now: gantry_sys::clock::now(),
        epoch: request.epoch,
        ignores_masks: request.is_reproducible,
    })
}

/// What of the containers of steps their results depend on; how much of the machine they may have is no part of it.
fn surroundings(around: &HostConfig) -> String {
    let HostConfig { extra_hosts, shm_size, ulimits, .. } = around;
    if extra_hosts.is_empty() && *shm_size == 0 && ulimits.is_empty() {
        return String::new();
    }
    format!("{extra_hosts:?} {shm_size} {ulimits:?}")
}

/// What is built for, each once; this machine's platform where nothing is said.
fn platforms(request: &BuildRequest) -> Result<Vec<Platform>> {
    let words = request.platform.as_deref().unwrap_or_default().split(',').map(str::trim);
    let mut all: Vec<Platform> = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        let platform = match word {
            "local" => image::host_platform(),
            word => image::parse_platform(word)?,
        };
        if !all.contains(&platform) {
            all.push(platform);
        }
    }
    if all.len() > MAX_PLATFORMS {
        return Err(Error::invalid(format!(
            "the build is for {} platforms, and {MAX_PLATFORMS} is the most",
            all.len()
        )));
    }
    Ok(if all.is_empty() { vec![image::host_platform()] } else { all })
}

fn grants(words: &[String]) -> Result<Grants> {
    let mut grants = Grants::default();
    for word in words {
        match word.split_once('=').map_or(word.as_str(), |(name, _)| name) {
            "network.host" => grants.host_network = true,
            "security.insecure" => grants.insecure = true,
            "device" => grants.devices = true,
            _ => {
                return Err(Error::invalid(format!(
                    "nothing called {word:?} can be granted to a build: network.host, security.insecure and device are known"
                )));
            }
        }
    }
    Ok(grants)
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
