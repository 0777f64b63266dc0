//! `POST /networks/{name}/connect`.

use gantry_engine::Engine;
use gantry_engine::network::connect;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let name = call.name.clone();
    connect(&engine, &name, call.json().await?).await?;
    Ok(reply::empty(StatusCode::OK))
}
