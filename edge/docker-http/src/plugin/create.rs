//! `POST /plugins/create`.

use gantry_engine::Engine;
use gantry_engine::plugin::create;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let name = call.query.text("name");
    create(&engine, &name, call.archive()).await?;
    reply::no_content()
}
