//! `POST /containers/{name}/start`.

use gantry_engine::Engine;
use gantry_engine::container::start;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    if call.query.get("checkpoint").is_some() {
        let text = "checkpoints are not there yet in this version of Gantry: start without one";
        return Err(Error::Invalid(text.to_owned()));
    }
    start(&engine, &call.name).await?;
    reply::no_content()
}
