//! One connection: requests one after another, until it closes or a request takes it over for raw bytes.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{mpsc, watch};

use crate::dispatch::{self, Outcome};
use crate::hijack::{self, Takeover};
use crate::listener::Newcomer;
use crate::local_peer::LocalPeer;
use crate::reply::{self, ReplyBody};
use crate::serve::Server;
use crate::socket::{ClientSocket, EofHold};

/// Names of one request's headers, at most.
const MAX_HEADERS: usize = 100;

type Answer = Pin<Box<dyn Future<Output = Result<Response<ReplyBody>, Infallible>> + Send>>;

/// Serves one client to its end. `ending` turns true when the server stops.
pub(crate) async fn run(newcomer: Newcomer, server: Server, mut ending: watch::Receiver<bool>) {
    let ready = tokio::select! {
        ready = newcomer.ready() => ready,
        // Who has not said who it is has not asked for anything.
        _ = ending.wait_for(|ending| *ending) => return,
    };
    let (socket, peer) = match ready {
        Ok((socket, peer)) => (socket, peer.map(Arc::new)),
        Err(error) => {
            tracing::info!(%error, "a client did not come to speak TLS");
            return;
        }
    };
    let local_peer = LocalPeer::of(&socket);
    // Whether nothing is lost when the connection ends: nobody has asked for anything, or somebody only looks on.
    let (idle, mut idling) = watch::channel(true);
    let hold = socket.eof_hold();
    // One request at a time, so one place is enough.
    let (sender, mut takeovers) = mpsc::channel(1);
    let header_timeout = server.config.header_timeout;
    let service = service_fn(move |mut request: Request<Incoming>| -> Answer {
        // Here and not in the future: the connection may read on before the future is first polled.
        if dispatch::takes_over(&request) {
            hold.hold();
        }
        if let Some(peer) = &peer {
            request.extensions_mut().insert(Arc::clone(peer));
        }
        if let Some(local) = local_peer {
            request.extensions_mut().insert(local);
        }
        let idle = idle.clone();
        idle.send_replace(false);
        let answering = answer(request, server.clone(), hold.clone(), sender.clone());
        Box::pin(async move {
            let response = answering.await;
            idle.send_replace(response.as_ref().is_ok_and(reply::looks_on));
            response
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(MAX_HEADERS)
        // As Docker writes them; some scripts look at the bytes.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(socket), service);
    let mut draining = false;
    let takeover = loop {
        tokio::select! {
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!(%error, "a client's connection ended");
                }
                return;
            }
            Some(takeover) = takeovers.recv() => break takeover,
            _ = ending.wait_for(|ending| *ending), if !draining => {
                draining = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            // Who only looks on would look on for ever; so would who comes to it now.
            _ = idling.wait_for(|idle| *idle), if draining => return,
        }
    };
    let parts = connection.into_parts();
    pass(parts.io.into_inner(), &parts.read_buf, takeover, ending).await;
}

/// What follows a request that took the connection over. `read` are bytes behind that request.
async fn pass(
    mut socket: ClientSocket,
    read: &[u8],
    takeover: Takeover,
    mut ending: watch::Receiver<bool>,
) {
    let early = [read, &socket.take_unread()].concat();
    tokio::select! {
        result = hijack::relay(socket, early.into(), takeover) => {
            if let Err(error) = result {
                tracing::debug!(%error, "an attached client's connection ended");
            }
        }
        _ = ending.wait_for(|ending| *ending) => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    server: Server,
    hold: EofHold,
    takeovers: mpsc::Sender<Takeover>,
) -> Result<Response<ReplyBody>, Infallible> {
    match dispatch::dispatch(request, server).await {
        Outcome::Reply(response) => {
            hold.release();
            Ok(response)
        }
        Outcome::TakeOver(takeover) => {
            // The end of file stays held back, so that the HTTP side never sees it; the receiver drops this future
            // together with that side.
            match takeovers.send(takeover).await {
                Ok(()) | Err(_) => pending().await,
            }
        }
    }
}
