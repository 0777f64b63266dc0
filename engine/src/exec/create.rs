//! `exec create`: remembers what to run.

use gantry_api::exec::{ExecCreateRequest, ExecCreateResponse};
use gantry_types::ExecId;
use tokio::sync::watch;

use super::{ExecSession, ExecState};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::random;

/// Makes a session in a running container; nothing runs yet.
pub fn create(
    engine: &Engine,
    container: &str,
    request: ExecCreateRequest,
) -> Result<ExecCreateResponse> {
    let snapshot = engine.snapshot(container)?;
    if !snapshot.record.state.is_running() {
        return Err(Error::NotRunning(snapshot.record.id.to_string()));
    }
    if request.cmd.first().is_none_or(String::is_empty) {
        return Err(Error::invalid("No exec command specified"));
    }
    if !request.working_dir.is_empty() && !request.working_dir.starts_with('/') {
        return Err(Error::invalid(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            request.working_dir
        )));
    }
    engine.forget_old_execs();
    let id = ExecId::from_bytes(random::bytes()?);
    let (state, _) = watch::channel(ExecState::Created);
    let session = ExecSession { id: id.clone(), container: snapshot, request, state };
    engine.add_exec(session)?;
    // The container may have ended since, and its sessions with it; then nobody would remove this one.
    if !engine.snapshot(container)?.record.state.is_running() {
        let container = engine.exec_session(id.as_str())?.container.record.id.clone();
        engine.end_execs(&container);
        return Err(Error::NotRunning(container.to_string()));
    }
    Ok(ExecCreateResponse { id: id.to_string() })
}
