//! `POST /containers/{name}/pause`.

use gantry_engine::Engine;
use gantry_engine::container::pause;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    pause(&engine, &call.name).await?;
    reply::no_content()
}
