//! `POST /plugins/{name}/push`.

use gantry_engine::Engine;
use gantry_engine::plugin::push;
use tokio::sync::mpsc;

use crate::call::Call;
use crate::error::Error;
use crate::progress::{self, WhenGone};
use crate::registry_auth;
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let credentials = registry_auth::from_headers(&call.headers)?;
    let (sender, messages) = mpsc::channel(progress::LINES_IN_FLIGHT);
    let work = async move { push(&engine, &call.name, credentials, sender).await };
    progress::reply(messages, WhenGone::Stop, work).await
}
