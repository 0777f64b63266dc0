//! `GET /containers/{name}/stats`: the 200 goes out at once, then one document for each sample.

use gantry_engine::Engine;
use gantry_engine::container::{StatsOptions, stats};
use hyper::StatusCode;
use tokio::sync::mpsc;

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::reply::{self, Reply, ReplyBody};

/// A client that is behind gets the next sample later, not several.
const SAMPLES_IN_FLIGHT: usize = 1;

pub(crate) fn handle(engine: &Engine, call: &Call) -> Result<Reply, Error> {
    let options = StatsOptions {
        stream: call.query.flag_or("stream", true),
        one_shot: call.query.flag("one-shot"),
    };
    if options.stream && options.one_shot {
        return Err(Error::Invalid("cannot have stream=true and one-shot=true".to_owned()));
    }
    let mut stats = stats(engine, &call.name, options)?;
    let version = call.version;
    let (sender, pieces) = mpsc::channel(SAMPLES_IN_FLIGHT);
    tokio::spawn(async move {
        loop {
            let sample = tokio::select! {
                sample = stats.next() => sample,
                () = sender.closed() => return,
            };
            let Some(sample) = sample else { return };
            let Ok(line) = compat::document(version, compat::CONTAINER_STATS, &sample) else {
                return;
            };
            if sender.send(line).await.is_err() {
                return;
            }
        }
    });
    let reply = reply::typed(StatusCode::OK, reply::JSON, ReplyBody::Pieces(pieces));
    Ok(reply::looking_on(reply))
}
