//! `GET /containers/{name}/top`.

use gantry_engine::Engine;
use gantry_engine::container::top;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let top = top(&engine, &call.name, call.query.get("ps_args").unwrap_or_default()).await?;
    reply::json(StatusCode::OK, &top)
}
