//! `GET /plugins/privileges`.

use gantry_engine::Engine;
use gantry_engine::plugin::privileges;
use hyper::StatusCode;

use super::remote;
use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    reply::json(StatusCode::OK, &privileges(&engine, remote(&call)?).await?)
}
