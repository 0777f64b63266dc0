//! The server's life: accept until told to end, then let the requests under way finish for a while.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use gantry_engine::Engine;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::connection;
use crate::error::Error;
use crate::image;
use crate::listener::Listener;

/// How long to wait before accepting again when the process is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all connections of one server share.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) config: Arc<Config>,
    pub(crate) images: Arc<image::list::Answered>,
}

/// Serves the API on `listener` until `shutdown` is ready; then connections get [`Config::drain`] to finish.
///
/// Fails when the listener itself does; a client's misbehaviour ends only its own connection.
pub async fn serve(
    listener: Listener,
    engine: Engine,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let places = Arc::new(Semaphore::new(config.max_connections));
    let (config, images) = (Arc::new(config), Arc::default());
    let server = Server { engine, config, images };
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
                Ok(socket) => {
                    let serving = connection::run(socket, server.clone(), ended.clone());
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
                Err(source) => break Err(Error::Accept { source }),
            },
        }
    };
    drop(listener);
    ending.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(server.config.drain, drained).await.is_err() {
        tracing::info!("closing connections that did not finish in time");
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
