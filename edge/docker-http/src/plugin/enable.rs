//! `POST /plugins/{name}/enable`.

use gantry_engine::Engine;
use gantry_engine::plugin::{EnableOptions, enable};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let text = call.query.text("timeout");
    let invalid =
        |_| Error::Invalid(format!("invalid timeout {text:?}: it is a number of seconds"));
    let timeout_s = if text.is_empty() { 0 } else { text.parse().map_err(invalid)? };
    enable(&engine, &call.name, EnableOptions { timeout_s }).await?;
    Ok(reply::empty(StatusCode::OK))
}
