//! `DELETE /plugins/{name}`.

use gantry_engine::Engine;
use gantry_engine::plugin::remove;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    reply::json(StatusCode::OK, &remove(&engine, &call.name, call.query.flag("force")).await?)
}
