//! `GET /images/{name}/history`.

use gantry_engine::Engine;
use gantry_engine::image::history;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    reply::json(StatusCode::OK, &history(&engine, &call.name).await?)
}
