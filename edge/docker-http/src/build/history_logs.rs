//! `GET /gantry/builds/{id}/logs`: what the commands of a build wrote.

use gantry_engine::Engine;
use gantry_engine::build::logs;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply, ReplyBody};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let pieces = logs(&engine, call.name).await?;
    Ok(reply::typed(StatusCode::OK, reply::TEXT, ReplyBody::Archive(pieces)))
}
