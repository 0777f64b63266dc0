//! `POST /containers/{name}/exec`.

use gantry_api::exec::ExecCreateRequest;
use gantry_engine::Engine;
use gantry_engine::exec::create;
use hyper::StatusCode;

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::hijack::DetachKeys;
use crate::reply::{self, Reply};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let (version, container) = (call.version, call.name.clone());
    let mut request: ExecCreateRequest = call.json().await?;
    DetachKeys::parse(&request.detach_keys)?;
    compat::upgrade_exec_create(version, &mut request);
    let created = create(&engine, &container, request)?;
    reply::json(StatusCode::CREATED, &created)
}
