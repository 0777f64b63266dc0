//! `GET /images/json`.

use gantry_engine::Engine;
use gantry_engine::image::{ListOptions, list};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::Reply;
use crate::{compat, reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let options = ListOptions {
        containers: compat::counts_containers(call.version),
        shared_size: call.query.flag("shared-size"),
        manifests: call.query.flag("manifests"),
        identity: call.query.flag("identity"),
        filters: call.query.filters()?,
    };
    let (version, answered, all) = (call.version, &call.server.images, options.wants_all());
    let rows = list(&engine, options).await?;
    // As long as these are the same rows, it is the same for the same version.
    if let Some(known) = answered.get(&rows, version) {
        return Ok(reply::json_bytes(StatusCode::OK, known));
    }
    let bytes = compat::document(version, compat::IMAGE_LIST, &rows[..])?;
    if all {
        answered.put(rows, version, bytes.clone());
    }
    Ok(reply::json_bytes(StatusCode::OK, bytes))
}
