//! `POST /gantry/volumes/{name}/rename`.

use gantry_api::volume::VolumeNewName;
use gantry_engine::Engine;
use gantry_engine::volume::rename;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let name = call.name.clone();
    let to: VolumeNewName = call.json().await?;
    reply::json(StatusCode::OK, &rename(&engine, &name, &to.name).await?)
}
