//! `/metrics` for Prometheus: what is counted of requests, and what the engine tells of itself, as text.
//!
//! The names are Docker's where it has the same; what goes beyond begins with `gantry_`.

mod requests;
mod text;

use std::convert::Infallible;
use std::future::Future;

use bytes::Bytes;
use gantry_engine::Engine;
use gantry_engine::system::figures;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::error::Error;

pub use requests::Figures;

/// The text format's own name.
const FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// Who asks is a handful of programs.
const MAX_CONNECTIONS: usize = 64;
/// How long one of them may take to ask.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Tells the metrics to whoever asks on `listener`, until `shutdown` is ready.
///
/// Fails when the listener itself does.
pub async fn serve_metrics(
    listener: TcpListener,
    engine: Engine,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                let stream = match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection for metrics now");
                        tokio::time::sleep(crate::serve::ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let (engine, config) = (engine.clone(), config.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        answer(request, engine.clone(), config.clone())
                    });
                    let served = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(PATIENCE)
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                    if let Err(error) = served {
                        tracing::debug!(%error, "a connection for metrics ended");
                    }
                });
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    engine: Engine,
    config: Config,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => match figures(&engine).await {
            Ok(figures) => (StatusCode::OK, text::written(&figures, &config.figures)),
            Err(error) => {
                let text = format!("{}\n", gantry_types::error_chain(&error));
                (StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        },
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "ask with GET\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "there is nothing but /metrics here\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, FORMAT);
    Ok(response)
}
