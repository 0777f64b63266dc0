//! `POST /plugins/{name}/set`.

use gantry_engine::Engine;
use gantry_engine::plugin::set;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let name = call.name.clone();
    let words: Option<Vec<String>> = call.json().await?;
    set(&engine, &name, words.unwrap_or_default()).await?;
    reply::no_content()
}
