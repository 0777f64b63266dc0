//! `POST /gantry/volumes/{name}/import`.

use gantry_engine::Engine;
use gantry_engine::volume::import;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let name = call.name.clone();
    reply::json(StatusCode::CREATED, &import(&engine, &name, call.archive()).await?)
}
