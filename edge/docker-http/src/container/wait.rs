//! `POST /containers/{name}/wait`: the 200 goes out at once, the answer when the condition holds.

use gantry_engine::Engine;
use gantry_engine::container::{WaitCondition, wait};
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply, ReplyBody};

pub(crate) fn handle(engine: &Engine, call: &Call) -> Result<Reply, Error> {
    let condition = match call.query.get("condition") {
        None | Some("not-running") => WaitCondition::NotRunning,
        Some("next-exit") => WaitCondition::NextExit,
        Some("removed") => WaitCondition::Removed,
        Some(other) => return Err(Error::Invalid(format!("invalid condition: {other:?}"))),
    };
    let waiting = wait(engine, &call.name, condition)?;
    let later = async move {
        let response = waiting.result().await;
        // A number and a text always make a document.
        reply::json_line(&response).unwrap_or_default()
    };
    let reply = reply::typed(StatusCode::OK, reply::JSON, ReplyBody::Later(Box::pin(later)));
    Ok(reply::looking_on(reply))
}
