//! `POST /gantry/builds/prune`.

use gantry_engine::Engine;
use gantry_engine::build::prune_history;
use hyper::StatusCode;

use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine) -> Result<Reply, Error> {
    reply::json(StatusCode::OK, &prune_history(&engine).await?)
}
