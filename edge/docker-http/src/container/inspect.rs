//! `GET /containers/{name}/json`.

use gantry_engine::Engine;
use gantry_engine::container::inspect;

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::reply::Reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let mut document = inspect(&engine, &call.name, call.query.flag("size")).await?;
    compat::docker_py::container_inspect(&call.headers, &mut document);
    compat::answer(call.version, compat::CONTAINER_INSPECT, &document)
}
