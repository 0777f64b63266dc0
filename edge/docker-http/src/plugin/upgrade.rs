//! `POST /plugins/{name}/upgrade`.

use gantry_engine::Engine;
use gantry_engine::plugin::upgrade;
use tokio::sync::mpsc;

use super::{granted, remote};
use crate::call::Call;
use crate::error::Error;
use crate::progress::{self, WhenGone};
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let (remote, name) = (remote(&call)?, call.name.clone());
    let granted = granted(call).await?;
    let (sender, messages) = mpsc::channel(progress::LINES_IN_FLIGHT);
    let work = async move { upgrade(&engine, &name, remote, granted, sender).await };
    progress::reply(messages, WhenGone::Stop, work).await
}
