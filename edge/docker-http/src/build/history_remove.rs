//! `DELETE /gantry/builds/{id}`.

use gantry_engine::Engine;
use gantry_engine::build::remove;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    remove(&engine, call.name).await?;
    reply::no_content()
}
