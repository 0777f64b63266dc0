//! `GET /plugins/{name}/json`.

use gantry_engine::Engine;
use gantry_engine::plugin::inspect;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) fn handle(engine: &Engine, call: &Call) -> Result<Reply, Error> {
    reply::json(StatusCode::OK, &inspect(engine, &call.name)?)
}
