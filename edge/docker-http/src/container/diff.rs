//! `GET /containers/{name}/changes`.

use gantry_engine::Engine;
use gantry_engine::container::diff;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let changes = diff(&engine, &call.name).await?;
    // Docker's engine has no list where there is nothing to list.
    reply::json(StatusCode::OK, &Some(changes).filter(|changes| !changes.is_empty()))
}
