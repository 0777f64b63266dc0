//! `GET /plugins`.

use gantry_engine::Engine;
use gantry_engine::plugin::list;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) fn handle(engine: &Engine, call: &Call) -> Result<Reply, Error> {
    reply::json(StatusCode::OK, &list(engine, &call.query.filters()?)?)
}
