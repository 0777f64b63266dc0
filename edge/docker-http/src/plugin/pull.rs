//! `POST /plugins/pull`.

use gantry_engine::Engine;
use gantry_engine::plugin::pull;
use hyper::header::{HeaderName, HeaderValue};
use tokio::sync::mpsc;

use super::{granted, remote};
use crate::call::Call;
use crate::error::Error;
use crate::progress::{self, WhenGone};
use crate::reply::Reply;

const NAME: HeaderName = HeaderName::from_static("docker-plugin-name");

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let (remote, name) = (remote(&call)?, call.query.text("name"));
    // Docker's command line goes on with it.
    let called = if name.is_empty() { remote.reference.familiar() } else { name.clone() };
    let granted = granted(call).await?;
    let (sender, messages) = mpsc::channel(progress::LINES_IN_FLIGHT);
    let work = async move { pull(&engine, (remote, &name), granted, sender).await };
    let mut reply = progress::reply(messages, WhenGone::Stop, work).await?;
    if let Ok(value) = HeaderValue::from_str(&called) {
        reply.headers_mut().insert(NAME, value);
    }
    Ok(reply)
}
