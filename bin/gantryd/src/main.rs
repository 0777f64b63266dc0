//! `gantryd`, the daemon: reads its flags and file, opens the engine, listens, and ends cleanly when asked.
//!
//! Wiring only. What the engine does is in `engine`, how it is spoken to in `edge/docker-http`.

mod claim;
mod config_file;
mod error;
mod flags;
mod fresh_dirs;
mod listen;
mod lock;
mod logging;
mod names;
mod networks;
mod settings;

use std::process::ExitCode;

use clap::Parser;
use gantry_docker_http::{Config, serve};
use gantry_engine::Engine;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::claim::Claim;
use crate::error::Error;
use crate::flags::Flags;
use crate::settings::Settings;

/// An OCI layout with the hello-world image, made by the build script out of `bin/hello`.
static HELLO_WORLD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hello-world.tar"));

fn main() -> ExitCode {
    let flags = Flags::parse();
    match Settings::resolve(flags).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Before and beside the log, so that whoever started us reads the reason as the last line.
            eprintln!("gantryd: {}", gantry_types::error_chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> Result<(), Error> {
    logging::start(&settings)?;
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
    let result = runtime.block_on(daemon(settings, &mut claim));
    // Threads that read logs for clients who have gone end by themselves; nobody has to wait for them.
    runtime.shutdown_background();
    result
}

async fn daemon(settings: Settings, claim: &mut Claim) -> Result<(), Error> {
    let ending = end_on_signals()?;
    // Clients may knock from now on; they are answered when the engine is open.
    let listeners = listen::open(&settings.hosts, claim.dirs()).await?;
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
    let mut servers = tokio::task::JoinSet::new();
    let mut sockets = Vec::new();
    for listen::Bound { listener, socket } in listeners {
        sockets.extend(socket);
        let mut ending = ending.clone();
        let shutdown = async move {
            // The sender lives as long as the process.
            drop(ending.wait_for(|ending| *ending).await);
        };
        servers.spawn(serve(listener, engine.clone(), api.clone(), shutdown));
    }
    let mut result = Ok(());
    while let Some(ended) = servers.join_next().await {
        match ended {
            Ok(served) => result = result.and(served.map_err(|source| Error::Server { source })),
            Err(panic) => result = result.and(Err(Error::Panicked { source: panic })),
        }
    }
    engine.close().await;
    drop(sockets);
    tracing::info!("ended; running containers go on");
    result
}

/// True from the first SIGTERM or SIGINT on. SIGHUP is heard, so that it does not end the daemon.
fn end_on_signals() -> Result<watch::Receiver<bool>, Error> {
    let listen = |kind| signal(kind).map_err(|source| Error::Runtime { source });
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    let (ending, ended) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => tracing::warn!("reloading the configuration is not there yet; restart the daemon"),
            }
        }
        tracing::info!("asked to end");
        ending.send_replace(true);
        ending.closed().await;
    });
    Ok(ended)
}
