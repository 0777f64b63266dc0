//! `DELETE /containers/{name}`.

use gantry_engine::Engine;
use gantry_engine::container::{RemoveOptions, remove};

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let query = &call.query;
    if query.flag("link") {
        return Err(Error::Invalid("there are no links between containers to remove".to_owned()));
    }
    let options = RemoveOptions { force: query.flag("force"), volumes: query.flag("v") };
    remove(&engine, &call.name, options).await?;
    reply::no_content()
}
