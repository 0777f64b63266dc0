//! `GET /images/{name}/history`.

use gantry_engine::Engine;
use gantry_engine::image::history;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let platform = call.query.platform("platform")?;
    let steps = history(&engine, &call.name, platform.as_deref()).await?;
    reply::json(StatusCode::OK, &steps)
}
