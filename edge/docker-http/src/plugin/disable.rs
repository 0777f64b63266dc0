//! `POST /plugins/{name}/disable`.

use gantry_engine::Engine;
use gantry_engine::plugin::disable;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    disable(&engine, &call.name, call.query.flag("force")).await?;
    Ok(reply::empty(StatusCode::OK))
}
