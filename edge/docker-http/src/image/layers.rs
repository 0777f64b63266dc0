//! `GET /gantry/images/{name}/layers`, and `…/files?layer=` for the entries of one.

use gantry_engine::Engine;
use gantry_engine::image::{layer_files, layers};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    reply::json(StatusCode::OK, &layers(&engine, &call.name).await?)
}

pub(crate) async fn handle_files(engine: Engine, call: Call) -> Result<Reply, Error> {
    let number = call.query.number("layer")?.unwrap_or_default();
    reply::json(StatusCode::OK, &layer_files(&engine, &call.name, number).await?)
}
