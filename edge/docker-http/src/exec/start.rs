//! `POST /exec/{name}/start`.

use gantry_api::exec::ExecStartRequest;
use gantry_engine::Engine;
use gantry_engine::exec::{inspect, start};
use hyper::StatusCode;

use crate::call::Call;
use crate::compat;
use crate::dispatch::Outcome;
use crate::error::Error;
use crate::hijack::{self, Attached, DetachKeys, Output};
use crate::reply;

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Outcome, Error> {
    let (version, name, upgrade) = (call.version, call.name.clone(), call.asks_for_upgrade());
    let mut request: ExecStartRequest = call.json().await?;
    compat::upgrade_exec_start(version, &mut request);
    let raw = request.tty;
    let detach_keys = DetachKeys::parse(&inspect(&engine, &name)?.detach_keys)?;
    let Some(attachment) = start(&engine, &name, request).await? else {
        return Ok(reply::empty(StatusCode::OK).into());
    };
    let head = hijack::head(upgrade, compat::stream_type(version, raw));
    Ok(Attached {
        head,
        attachment,
        output: Output::raw_if(raw),
        stdin: true,
        detach_keys,
        tells_failure: true,
        websocket: false,
    }
    .into())
}
