//! `POST /containers/{name}/stop`.

use gantry_engine::Engine;
use gantry_engine::container::{StopOptions, stop};

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    stop(&engine, &call.name, options(&call)?).await?;
    reply::no_content()
}

/// What stop and restart take.
pub(super) fn options(call: &Call) -> Result<StopOptions, Error> {
    let parse = |text: &str| text.parse().map_err(|error| Error::Invalid(format!("{error}")));
    let mut options = StopOptions {
        signal: call.query.get("signal").map(parse).transpose()?,
        timeout_s: call.query.number("t")?,
    };
    compat::upgrade_stop(call.version, &mut options);
    Ok(options)
}
