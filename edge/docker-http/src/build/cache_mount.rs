//! `GET` and `POST /gantry/build/mounts?id=…`: the files of a cache mount. An id may be a path; so it is no part of one.

use gantry_engine::Engine;
use gantry_engine::build::{export_mount, import_mount};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply, ReplyBody};

pub(crate) async fn handle_export(engine: Engine, call: Call) -> Result<Reply, Error> {
    let pieces = export_mount(&engine, &call.query.text("id")).await?;
    Ok(reply::typed(StatusCode::OK, reply::TAR, ReplyBody::Archive(pieces)))
}

pub(crate) async fn handle_import(engine: Engine, call: Call) -> Result<Reply, Error> {
    let id = call.query.text("id");
    import_mount(&engine, &id, call.archive()).await?;
    reply::no_content()
}
