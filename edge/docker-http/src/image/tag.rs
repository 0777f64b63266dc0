//! `POST /images/{name}/tag`.

use gantry_engine::Engine;
use gantry_engine::image::tag;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    tag(&engine, &call.name, &call.query.text("repo"), &call.query.text("tag")).await?;
    Ok(reply::empty(StatusCode::CREATED))
}
