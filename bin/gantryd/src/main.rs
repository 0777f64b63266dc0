//! `gantryd`, the daemon: reads its flags and file, opens the engine, listens, and ends cleanly when asked.
//!
//! Wiring only. What the engine does is in `engine`, how it is spoken to in `edge/docker-http`.

mod cgroup_keys;
mod claim;
mod config_file;
mod containers;
mod error;
mod flags;
mod foreign;
mod fresh_dirs;
mod given;
mod layer_archives;
mod listen;
mod live;
mod lock;
mod logging;
mod names;
mod networks;
mod notify;
mod pairs;
mod reload;
mod settings;
mod signals;
mod subordinate;
mod tls;
mod told;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use gantry_docker_http::tls::Acceptor;
use gantry_docker_http::{Config, serve, serve_metrics};
use gantry_engine::Engine;
use gantry_types::error_chain;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::claim::Claim;
use crate::error::Error;
use crate::flags::Flags;
use crate::notify::Notify;
use crate::reload::Reloader;
use crate::settings::Settings;
use crate::signals::{Asked, Signals};
use crate::told::Told;

/// An OCI layout with the hello-world image, made by the build script out of `bin/hello`.
static HELLO_WORLD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hello-world.tar"));

/// When what only the start needed is given back. A time, for there is no state to wait for: the daemon serves already, and what follows
/// a start is mostly over by then; what is needed later comes back by itself.
const SETTLED: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    gantry_sys::heaps::one_for_each_processor();
    let flags = Flags::parse();
    let told = Told::new(&flags);
    match start(told, flags.validate) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Before and beside the log, so that whoever started us reads the reason as the last line.
            eprintln!("gantryd: {}", error_chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Runs the daemon to its end, or only reads what it is told.
fn start(told: Told, only_validate: bool) -> Result<(), Error> {
    let given = told.given()?;
    let keys = Told::keys(&given);
    let settings = Settings::resolve(given)?;
    let acceptor = settings.tls.acceptor()?;
    if only_validate {
        // Where dockerd says it.
        eprintln!("configuration OK");
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    let level = logging::start(&settings)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let reloader = Reloader::new(told, keys, level, acceptor.clone());
    run(settings, acceptor, reloader)
}

fn run(
    settings: Settings,
    acceptor: Option<Arc<Acceptor>>,
    reloader: Reloader,
) -> Result<(), Error> {
    // Each layer's mount, connection and container has its descriptors; the usual 1024 are soon too few.
    if let Err(error) = gantry_sys::descriptors::raise_limit() {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
    // Before anything is touched; and until the end, because threads may still be at work when the daemon has ended.
    let mut claim = Claim::take(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Runtime { source })?;
    let result = runtime.block_on(daemon(settings, acceptor, (&mut claim, reloader)));
    // Threads that read logs for clients who have gone end by themselves; nobody has to wait for them.
    runtime.shutdown_background();
    result
}

async fn daemon(
    settings: Settings,
    acceptor: Option<Arc<Acceptor>>,
    (claim, mut reloader): (&mut Claim, Reloader),
) -> Result<(), Error> {
    let mut signals = Signals::hear()?;
    let notify = Notify::open()?;
    // Clients may knock from now on; they are answered when the engine is open.
    let listeners = listen::open(&settings, acceptor.as_ref(), claim.dirs()).await?;
    let metrics = metrics_listener(&settings).await?;
    let engine =
        Engine::open(settings.engine.clone()).await.map_err(|source| Error::Engine { source })?;
    claim.dirs().keep();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data_root = %settings.engine.data_root.display(),
        hosts = ?settings.hosts,
        "ready"
    );
    let mut api = Config::new(env!("CARGO_PKG_VERSION"));
    api.versions = settings.api_versions;
    let (mut servers, mut sockets) = (JoinSet::new(), Vec::new());
    for listen::Bound { listener, socket } in listeners {
        sockets.extend(socket);
        servers.spawn(serve(listener, engine.clone(), api.clone(), signals.ending()));
    }
    if let Some(listener) = metrics {
        servers.spawn(serve_metrics(listener, engine.clone(), api.clone(), signals.ending()));
    }
    notify.ready("serving");
    tokio::spawn(settle());
    let mut result = Ok(());
    loop {
        tokio::select! {
            // The servers end by the same word: it is told before they are looked at.
            biased;
            asked = signals.next() => match asked {
                Asked::Reload => reloader.reload(&engine, &notify).await,
                Asked::End => notify.stopping(),
            },
            ended = servers.join_next() => match ended {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(source))) => {
                    // Now, because the others go on, and the daemon ends when they do.
                    tracing::error!(error = error_chain(&source), "clients are served at one place less");
                    result = result.and(Err(Error::Server { source }));
                }
                Some(Err(panic)) => result = result.and(Err(Error::Panicked { source: panic })),
            },
            () = notify.keep_well(&engine) => {}
        }
    }
    engine.close().await;
    drop(sockets);
    tracing::info!("ended; running containers go on");
    result
}

/// Gives back what only the start needed.
async fn settle() {
    tokio::time::sleep(SETTLED).await;
    if let Err(error) = gantry_sys::resident::let_go() {
        tracing::debug!(%error, "what the start needed stays in memory");
    }
}

/// Where the metrics are told, if anywhere.
async fn metrics_listener(settings: &Settings) -> Result<Option<TcpListener>, Error> {
    let Some(address) = settings.metrics else { return Ok(None) };
    let failed = |source| Error::Listen { host: format!("{address} for metrics"), source };
    TcpListener::bind(address).await.map(Some).map_err(failed)
}
