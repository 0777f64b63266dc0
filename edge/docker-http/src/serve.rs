//! The server's life: accept until told to end, then let the requests under way finish for a while.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use gantry_api::container::ContainerSummary;
use gantry_api::image::ImageSummary;
use gantry_engine::Engine;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::answered::Answered;
use crate::config::Config;
use crate::connection;
use crate::error::Error;
use crate::listener::Listener;

/// How long to wait before accepting again when the process is out of descriptors or memory.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all connections of one server share.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) config: Arc<Config>,
    pub(crate) images: Arc<Answered<ImageSummary>>,
    pub(crate) containers: Arc<Answered<Arc<ContainerSummary>>>,
}

/// Serves the API on `listener` until `shutdown` is ready; then connections get the engine's shutdown timeout to finish.
///
/// Fails when the listener itself does; a client's misbehaviour ends only its own connection.
pub async fn serve(
    listener: Listener,
    engine: Engine,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let places = Arc::new(Semaphore::new(config.max_connections));
    let (images, containers) = (Arc::default(), Arc::default());
    let server = Server { engine, config: Arc::new(config), images, containers };
    let (ending, ended) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    let result = loop {
        let client = async {
            // The semaphore is never closed, so this fails never.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break Ok(()),
            Some(_) = connections.join_next() => {}
            (place, accepted) = client => match accepted {
                Ok(newcomer) => {
                    let serving = connection::run(newcomer, server.clone(), ended.clone());
                    connections.spawn(async move {
                        serving.await;
                        drop(place);
                    });
                }
                Err(error) if concerns_one_client(&error) => {}
                Err(error) if is_shortage(&error) => {
                    tracing::warn!(%error, "cannot accept a connection now");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                Err(source) => break Err(Error::Accept { place: listener.place(), source }),
            },
        }
    };
    drop(listener);
    ending.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    match server.engine.live().shutdown_timeout {
        None => drained.await,
        Some(patience) => {
            if tokio::time::timeout(patience, drained).await.is_err() {
                tracing::info!("closing connections that did not finish in time");
            }
        }
    }
    result
}

/// Errors of `accept(2)` that tell of a client who went away before it was accepted.
fn concerns_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Errors of `accept(2)` that pass when other files are closed: EMFILE, ENFILE, ENOBUFS, ENOMEM.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12))
}
