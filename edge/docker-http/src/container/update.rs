//! `POST /containers/{name}/update`.

use gantry_api::container::{HostConfig, UpdateResponse};
use gantry_engine::Engine;
use gantry_engine::container::update;
use hyper::StatusCode;

use crate::call::Call;
use crate::error::Error;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let name = call.name.clone();
    let mut change: HostConfig = call.json().await?;
    // Gone with 1.42, and without effect on the kernels we run on: passed over, as Docker does.
    change.kernel_memory = 0;
    let warnings = update(&engine, &name, change).await?;
    reply::json(StatusCode::OK, &UpdateResponse { warnings })
}
