//! `GET /gantry/builds`.

use gantry_engine::Engine;
use gantry_engine::build::list;
use hyper::StatusCode;

use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine) -> Result<Reply, Error> {
    reply::json(StatusCode::OK, &list(&engine).await?)
}
