//! `DELETE /images/{name}`.

use gantry_engine::Engine;
use gantry_engine::image::{RemoveOptions, remove};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let options = RemoveOptions {
        force: call.query.flag("force"),
        platforms: call.query.platforms("platforms")?,
    };
    reply::json(StatusCode::OK, &remove(&engine, &call.name, options).await?)
}
