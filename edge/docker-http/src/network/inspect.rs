//! `GET /networks/{name}`.

use gantry_engine::Engine;
use gantry_engine::network::{InspectOptions, inspect};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let options =
        InspectOptions { verbose: call.query.flag("verbose"), scope: call.query.text("scope") };
    reply::json(StatusCode::OK, &inspect(&engine, &call.name, options).await?)
}
