//! `POST /build/cancel`: ends a build that goes on, by the name that its client gave it.

use gantry_engine::Engine;
use gantry_engine::build::cancel;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) fn handle(engine: &Engine, call: &Call) -> Result<Reply, Error> {
    let name = call.query.get("id").filter(|name| !name.is_empty());
    let Some(name) = name else {
        return Err(Error::Invalid("build ID not provided".to_owned()));
    };
    cancel(engine, name);
    Ok(reply::empty(StatusCode::OK))
}
