//! `POST /containers/{name}/rename`.

use gantry_engine::Engine;
use gantry_engine::container::rename;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    rename(&engine, &call.name, call.query.get("name").unwrap_or_default()).await?;
    reply::no_content()
}
