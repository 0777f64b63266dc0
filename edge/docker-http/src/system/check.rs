//! `GET /gantry/system/check`.

use gantry_engine::Engine;
use gantry_engine::system::{CheckOptions, check};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let options = CheckOptions { deep: call.query.flag("deep") };
    reply::json(StatusCode::OK, &check(&engine, options).await?)
}
