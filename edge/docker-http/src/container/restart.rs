//! `POST /containers/{name}/restart`.

use gantry_engine::Engine;
use gantry_engine::container::restart;

use super::stop::options;
use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    restart(&engine, &call.name, options(&call)?).await?;
    reply::no_content()
}
