//! `GET /gantry/volumes/{name}/export`.

use gantry_engine::Engine;
use gantry_engine::volume::export;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply, ReplyBody};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let pieces = export(&engine, &call.name).await?;
    Ok(reply::typed(StatusCode::OK, reply::TAR, ReplyBody::Archive(pieces)))
}
