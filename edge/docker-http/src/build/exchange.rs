//! `GET` and `POST /gantry/build/exchange/{id}`: what a build that goes on offers its client, and what it wants of it; and
//! `POST /gantry/build/exchange/{id}/connection` for bytes both ways.

use std::io::Read;

use gantry_engine::Engine;
use gantry_engine::build::exchange;
use hyper::StatusCode;

use crate::call::Call;
use crate::dispatch::Outcome;
use crate::error::Error;
use crate::hijack::{self, Passing};
use crate::reply::{self, Reply, ReplyBody};

pub(crate) async fn handle_take(engine: Engine, call: Call) -> Result<Reply, Error> {
    let pieces = exchange::take(&engine, &call.name).await?;
    Ok(reply::typed(StatusCode::OK, reply::TAR, ReplyBody::Archive(pieces)))
}

pub(crate) async fn handle_bring(engine: Engine, call: Call) -> Result<Reply, Error> {
    let id = call.name.clone();
    let content: Option<Box<dyn Read + Send>> =
        if call.query.flag("missing") { None } else { Some(Box::new(call.archive().pausing())) };
    exchange::bring(&engine, &id, content).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

pub(crate) fn handle_open(engine: &Engine, call: &Call) -> Result<Outcome, Error> {
    let head = hijack::head(call.asks_for_upgrade(), hijack::RAW_STREAM);
    Ok(Passing { head, stream: exchange::open(engine, &call.name)? }.into())
}
