//! `POST /exec/{name}/resize`.

use gantry_engine::Engine;
use gantry_engine::exec::resize;
use hyper::StatusCode;

use crate::call::Call;
use crate::container::resize::size;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    resize(&engine, &call.name, size(&call.query)?).await?;
    Ok(reply::empty(StatusCode::OK))
}
