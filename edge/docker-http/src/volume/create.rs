//! `POST /volumes/create`.

use gantry_engine::Engine;
use gantry_engine::volume::create;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    reply::json(StatusCode::CREATED, &create(&engine, call.json().await?).await?)
}
