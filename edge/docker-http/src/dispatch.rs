//! From a request to its handler, and from the handler's result to an answer.

use std::sync::Arc;
use std::time::Instant;

use gantry_engine::Engine;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue, SERVER};
use hyper::{Method, Request, StatusCode};

use crate::authorization;
use crate::body::RequestBody;
use crate::call::Call;
use crate::error::Error;
use crate::hijack::Takeover;
use crate::query::{self, Query};
use crate::reply::{self, Reply};
use crate::route::{self, Endpoint, Found, Target};
use crate::serve::Server;
use crate::version::{ApiVersion, Versions};
use crate::{body, build, container, exec, image, network, plugin, system, volume};

/// What becomes of a request.
pub(crate) enum Outcome {
    Reply(Reply),
    /// From now on the connection carries raw bytes.
    TakeOver(Takeover),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// Whether the request is one of those that turn the connection into raw bytes.
pub(crate) fn takes_over(request: &Request<Incoming>) -> bool {
    find(request).is_ok_and(|(_, found)| {
        matches!(
            found.route.target,
            Target::Serve(
                Endpoint::BuildOpen
                    | Endpoint::ContainerAttach
                    | Endpoint::ContainerAttachWs
                    | Endpoint::ExecStart
            )
        )
    })
}

/// Serves one request. Never fails: an error is an answer too.
pub(crate) async fn dispatch(request: Request<Incoming>, server: Server) -> Outcome {
    let config = Arc::clone(&server.config);
    let experimental = if server.engine.live().experimental { "true" } else { "false" };
    tracing::debug!(method = %request.method(), path = request.uri().path(), "request");
    let route = find(&request).ok().map(|(_, found)| found.route);
    let began = Instant::now();
    let outcome = match judged(request, server).await {
        Ok(outcome) => outcome,
        Err(error) => reply::error(&error).into(),
    };
    let status = match &outcome {
        Outcome::Reply(reply) => reply.status(),
        Outcome::TakeOver(_) => StatusCode::SWITCHING_PROTOCOLS,
    };
    config.figures.count(route, status, began.elapsed());
    match outcome {
        Outcome::Reply(mut reply) => {
            let headers = reply.headers_mut();
            if let Ok(newest) = HeaderValue::from_str(&config.versions.newest().to_string()) {
                headers.insert(API_VERSION, newest);
            }
            headers.insert(OSTYPE, HeaderValue::from_static("linux"));
            headers.insert(EXPERIMENTAL, HeaderValue::from_static(experimental));
            if let Ok(name) = HeaderValue::from_str(&config.server) {
                headers.insert(SERVER, name);
            }
            Outcome::Reply(reply)
        }
        taken @ Outcome::TakeOver(_) => taken,
    }
}

const API_VERSION: HeaderName = HeaderName::from_static("api-version");
const OSTYPE: HeaderName = HeaderName::from_static("ostype");
const EXPERIMENTAL: HeaderName = HeaderName::from_static("docker-experimental");

/// The route, and the version that the path asks for.
fn find<B>(request: &Request<B>) -> Result<(Option<ApiVersion>, Found), Error> {
    let path = query::decode(request.uri().path(), false)?;
    let (version, rest) = ApiVersion::split(&path);
    let found = route::find(request.method(), rest).ok_or(Error::NoSuchRoute)?;
    Ok((version, found))
}

/// The handler that a request is for, if there is one.
fn endpoint(
    request: &Request<RequestBody>,
    versions: Versions,
) -> Result<(ApiVersion, Endpoint, String, Query), Error> {
    let (asked, Found { route, name }) = find(request)?;
    let version = asked.unwrap_or(versions.newest());
    versions.check(version)?;
    let query = Query::parse(request.uri().query().unwrap_or_default())?;
    match route.target {
        Target::Serve(endpoint) => Ok((version, endpoint, name, query)),
        Target::NotYet(reason) => {
            let method = route.method.to_string();
            Err(Error::NotThereYet { method, route: route.pattern, reason })
        }
        Target::NoSwarm(reason) => Err(Error::NoSwarm(reason)),
    }
}

/// Serves a request that the authorization plugins let pass, if there are any; so they do with its answer.
async fn judged(request: Request<Incoming>, server: Server) -> Result<Outcome, Error> {
    let engine = server.engine.clone();
    let (request, passed) = authorization::of_request(request, &engine, &server.config).await?;
    let outcome = served(request, server).await;
    let Some(passed) = passed else { return outcome };
    match outcome {
        Ok(Outcome::Reply(reply)) => {
            passed.with(&reply).ask(&engine).await?;
            Ok(reply.into())
        }
        Ok(taken @ Outcome::TakeOver(_)) => Ok(taken),
        Err(error) => {
            let passed = passed.with(&reply::error(&error));
            passed.ask(&engine).await?;
            Err(error)
        }
    }
}

async fn served(request: Request<RequestBody>, server: Server) -> Result<Outcome, Error> {
    let found = endpoint(&request, server.config.versions);
    let (head, mut body) = request.into_parts();
    let (version, endpoint, name, query) = match found {
        Ok(found) => found,
        Err(error) => {
            body::drain(&mut body).await;
            return Err(error);
        }
    };
    let engine = server.engine.clone();
    let is_head = head.method == Method::HEAD;
    let local_peer = head.extensions.get().copied();
    let headers = head.headers;
    let call = Call { server, version, is_head, name, query, headers, local_peer, body };
    // Attach, wait, logs and check end with their client. The rest goes on to its end even when nobody waits for the
    // answer any more: a client that is interrupted must not leave half a container.
    match endpoint {
        Endpoint::BuildCancel => Ok(build::cancel::handle(&engine, &call)?.into()),
        Endpoint::BuildMountExport => {
            Ok(build::cache_mount::handle_export(engine, call).await?.into())
        }
        Endpoint::BuildMountImport => {
            to_its_end(build::cache_mount::handle_import(engine, call)).await
        }
        Endpoint::BuildBring => Ok(build::exchange::handle_bring(engine, call).await?.into()),
        Endpoint::BuildTake => Ok(build::exchange::handle_take(engine, call).await?.into()),
        Endpoint::BuildHistoryInspect => {
            Ok(build::history_inspect::handle(engine, call).await?.into())
        }
        Endpoint::BuildHistoryList => Ok(build::history_list::handle(engine).await?.into()),
        Endpoint::BuildHistoryLogs => Ok(build::history_logs::handle(engine, call).await?.into()),
        Endpoint::BuildHistoryPrune => to_its_end(build::history_prune::handle(engine)).await,
        Endpoint::BuildHistoryRemove => {
            to_its_end(build::history_remove::handle(engine, call)).await
        }
        Endpoint::BuildOpen => build::exchange::handle_open(&engine, &call),
        Endpoint::BuildPrune => to_its_end(build::prune::handle(engine, call)).await,
        Endpoint::BuildStart => Ok(Box::pin(build::start::handle(engine, call)).await?.into()),
        Endpoint::SystemAuth => to_its_end(system::auth::handle(engine, call)).await,
        Endpoint::SystemCheck => Ok(system::check::handle(engine, call).await?.into()),
        Endpoint::SystemDf => to_its_end(system::df::handle(engine, call)).await,
        Endpoint::SystemEvents => Ok(system::events::handle(&engine, &call)?.into()),
        Endpoint::SystemInfo => to_its_end(system::info::handle(engine, call)).await,
        Endpoint::SystemPing => Ok(system::ping::handle(&call).into()),
        Endpoint::VolumeClone => to_its_end(volume::clone::handle(engine, call)).await,
        Endpoint::VolumeCreate => to_its_end(volume::create::handle(engine, call)).await,
        Endpoint::VolumeExport => Ok(volume::export::handle(engine, call).await?.into()),
        Endpoint::VolumeImport => to_its_end(volume::import::handle(engine, call)).await,
        Endpoint::VolumeInspect => to_its_end(volume::inspect::handle(engine, call)).await,
        Endpoint::VolumeList => Ok(volume::list::handle(&engine, &call)?.into()),
        Endpoint::VolumePrune => to_its_end(volume::prune::handle(engine, call)).await,
        Endpoint::VolumeRemove => to_its_end(volume::remove::handle(engine, call)).await,
        Endpoint::VolumeRename => to_its_end(volume::rename::handle(engine, call)).await,
        Endpoint::SystemVersion => Ok(system::version::handle(&call)?.into()),
        other => Box::pin(images_and_networks(other, engine, call)).await,
    }
}

async fn images_and_networks(
    endpoint: Endpoint,
    engine: Engine,
    call: Call,
) -> Result<Outcome, Error> {
    match endpoint {
        Endpoint::ImageCreate => to_its_end(image::create::handle(engine, call)).await,
        Endpoint::ImageDistribution => to_its_end(image::distribution::handle(engine, call)).await,
        Endpoint::ImageDistributionPush => {
            to_its_end(image::distribution::handle_push(engine, call)).await
        }
        Endpoint::ImageAttestations => to_its_end(image::attestations::handle(engine, call)).await,
        Endpoint::ImageHistory => to_its_end(image::history::handle(engine, call)).await,
        Endpoint::ImageInspect => to_its_end(image::inspect::handle(engine, call)).await,
        Endpoint::ImageLayerFiles => Ok(image::layers::handle_files(engine, call).await?.into()),
        Endpoint::ImageLayers => Ok(image::layers::handle(engine, call).await?.into()),
        Endpoint::ImageList => to_its_end(image::list::handle(engine, call)).await,
        Endpoint::ImageLoad => to_its_end(image::load::handle(engine, call)).await,
        Endpoint::ImagePrune => to_its_end(image::prune::handle(engine, call)).await,
        Endpoint::ImagePush => to_its_end(image::push::handle(engine, call)).await,
        Endpoint::ImageRemove => to_its_end(image::remove::handle(engine, call)).await,
        Endpoint::ImageSave => Ok(image::save::handle(engine, call).await?.into()),
        Endpoint::ImageSearch => to_its_end(image::search::handle(engine, call)).await,
        Endpoint::ImageTag => to_its_end(image::tag::handle(engine, call)).await,
        Endpoint::NetworkConnect => to_its_end(network::connect::handle(engine, call)).await,
        Endpoint::NetworkDisconnect => to_its_end(network::disconnect::handle(engine, call)).await,
        Endpoint::NetworkCreate => to_its_end(network::create::handle(engine, call)).await,
        Endpoint::NetworkInspect => to_its_end(network::inspect::handle(engine, call)).await,
        Endpoint::NetworkList => to_its_end(network::list::handle(engine, call)).await,
        Endpoint::NetworkPrune => to_its_end(network::prune::handle(engine, call)).await,
        Endpoint::NetworkRemove => to_its_end(network::remove::handle(engine, call)).await,
        other => Box::pin(plugins(other, engine, call)).await,
    }
}

async fn plugins(endpoint: Endpoint, engine: Engine, call: Call) -> Result<Outcome, Error> {
    match endpoint {
        Endpoint::PluginCreate => to_its_end(plugin::create::handle(engine, call)).await,
        Endpoint::PluginDisable => to_its_end(plugin::disable::handle(engine, call)).await,
        Endpoint::PluginEnable => to_its_end(plugin::enable::handle(engine, call)).await,
        Endpoint::PluginInspect => Ok(plugin::inspect::handle(&engine, &call)?.into()),
        Endpoint::PluginList => Ok(plugin::list::handle(&engine, &call)?.into()),
        Endpoint::PluginPrivileges => to_its_end(plugin::privileges::handle(engine, call)).await,
        Endpoint::PluginPull => to_its_end(plugin::pull::handle(engine, call)).await,
        Endpoint::PluginPush => to_its_end(plugin::push::handle(engine, call)).await,
        Endpoint::PluginRemove => to_its_end(plugin::remove::handle(engine, call)).await,
        Endpoint::PluginSet => to_its_end(plugin::set::handle(engine, call)).await,
        Endpoint::PluginUpgrade => to_its_end(plugin::upgrade::handle(engine, call)).await,
        other => Box::pin(containers(other, engine, call)).await,
    }
}

async fn containers(endpoint: Endpoint, engine: Engine, call: Call) -> Result<Outcome, Error> {
    match endpoint {
        Endpoint::ContainerArchiveGet => {
            Ok(container::archive::handle_get(engine, call).await?.into())
        }
        Endpoint::ContainerArchivePut => {
            to_its_end(container::archive::handle_put(engine, call)).await
        }
        Endpoint::ContainerArchiveStat => {
            to_its_end(container::archive::handle_stat(engine, call)).await
        }
        Endpoint::ContainerAttach => container::attach::handle(engine, call).await,
        Endpoint::ContainerAttachWs => container::attach_ws::handle(engine, call).await,
        Endpoint::ContainerCommit => to_its_end(container::commit::handle(engine, call)).await,
        Endpoint::ContainerCreate => {
            Box::pin(to_its_end(container::create::handle(engine, call))).await
        }
        Endpoint::ContainerDiff => to_its_end(container::diff::handle(engine, call)).await,
        Endpoint::ContainerExport => to_its_end(container::export::handle(engine, call)).await,
        Endpoint::ContainerInspect => to_its_end(container::inspect::handle(engine, call)).await,
        Endpoint::ContainerKill => to_its_end(container::kill::handle(engine, call)).await,
        Endpoint::ContainerList => to_its_end(container::list::handle(engine, call)).await,
        Endpoint::ContainerLogs => Ok(container::logs::handle(engine, call).await?.into()),
        Endpoint::ContainerPause => to_its_end(container::pause::handle(engine, call)).await,
        Endpoint::ContainerPrune => to_its_end(container::prune::handle(engine, call)).await,
        Endpoint::ContainerRemove => to_its_end(container::remove::handle(engine, call)).await,
        Endpoint::ContainerRename => to_its_end(container::rename::handle(engine, call)).await,
        Endpoint::ContainerResize => to_its_end(container::resize::handle(engine, call)).await,
        Endpoint::ContainerRestart => to_its_end(container::restart::handle(engine, call)).await,
        Endpoint::ContainerStart => to_its_end(container::start::handle(engine, call)).await,
        Endpoint::ContainerStats => Ok(container::stats::handle(&engine, &call)?.into()),
        Endpoint::ContainerStop => to_its_end(container::stop::handle(engine, call)).await,
        Endpoint::ContainerTop => to_its_end(container::top::handle(engine, call)).await,
        Endpoint::ContainerUnpause => to_its_end(container::unpause::handle(engine, call)).await,
        Endpoint::ContainerUpdate => to_its_end(container::update::handle(engine, call)).await,
        Endpoint::ContainerWait => Ok(container::wait::handle(&engine, &call)?.into()),
        Endpoint::ExecCreate => to_its_end(exec::create::handle(engine, call)).await,
        Endpoint::ExecInspect => Ok(exec::inspect::handle(&engine, &call)?.into()),
        Endpoint::ExecResize => to_its_end(exec::resize::handle(engine, call)).await,
        Endpoint::ExecStart => to_its_end(exec::start::handle(engine, call)).await,
        // The table names no other.
        _ => Err(Error::NoSuchRoute),
    }
}

async fn to_its_end<T: Into<Outcome> + Send + 'static>(
    handler: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<Outcome, Error> {
    match tokio::spawn(handler).await {
        Ok(result) => Ok(result?.into()),
        Err(_) => Err(Error::Panicked),
    }
}
