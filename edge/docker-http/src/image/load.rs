//! `POST /images/load`.

use gantry_engine::Engine;
use gantry_engine::image::load;
use tokio::sync::mpsc;

use crate::call::Call;
use crate::error::Error;
use crate::progress::{self, WhenGone};
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let platforms = call.query.platforms("platform")?;
    let (sender, messages) = mpsc::channel(progress::LINES_IN_FLIGHT);
    let archive = call.archive();
    let work = async move { load(&engine, archive, platforms, sender).await };
    progress::reply(messages, WhenGone::GoOn, work).await
}
