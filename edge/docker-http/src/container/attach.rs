//! `POST /containers/{name}/attach`.

use gantry_engine::Engine;
use gantry_engine::container::{AttachOptions, attach};
use gantry_shim_protocol::attach::Streams;

use crate::call::Call;
use crate::compat;
use crate::dispatch::Outcome;
use crate::error::Error;
use crate::hijack::{self, Attached, DetachKeys, Output};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Outcome, Error> {
    let query = &call.query;
    let stdin = query.flag("stdin");
    let streams = Streams { stdin, stdout: query.flag("stdout"), stderr: query.flag("stderr") };
    let options = AttachOptions { streams, logs: query.flag("logs"), stream: query.flag("stream") };
    let detach_keys = DetachKeys::parse(query.get("detachKeys").unwrap_or_default())?;
    let attachment = attach(&engine, &call.name, options).await?;
    let stream_type = compat::stream_type(call.version, attachment.tty);
    let head = hijack::head(call.asks_for_upgrade(), stream_type);
    let output = Output::raw_if(attachment.tty);
    let (tells_failure, websocket) = (false, false);
    Ok(Attached { head, attachment, output, stdin, detach_keys, tells_failure, websocket }.into())
}
