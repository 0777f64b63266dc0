//! `POST /containers/{name}/kill`.

use gantry_engine::Engine;
use gantry_engine::container::kill;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    kill(&engine, &call.name, call.query.get("signal")).await?;
    reply::no_content()
}
