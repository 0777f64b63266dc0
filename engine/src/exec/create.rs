//! `exec create`: remembers what to run.

use gantry_api::exec::{ExecCreateRequest, ExecCreateResponse};
use gantry_types::ExecId;
use tokio::sync::watch;

use super::{ExecSession, ExecState};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::random;
use crate::record::{ContainerRecord, State};

/// Makes a session in a running container; nothing runs yet.
pub fn create(
    engine: &Engine,
    container: &str,
    request: ExecCreateRequest,
) -> Result<ExecCreateResponse> {
    create_session(engine, container, request, false)
}

/// [`create`], for a client or for a health check.
pub(super) fn create_session(
    engine: &Engine,
    container: &str,
    request: ExecCreateRequest,
    is_probe: bool,
) -> Result<ExecCreateResponse> {
    let snapshot = engine.snapshot(container)?;
    check_state(&snapshot.record)?;
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
    let session = ExecSession { id: id.clone(), container: snapshot, request, is_probe, state };
    engine.add_exec(session)?;
    // The container may have ended since, and its sessions with it; then nobody would remove this one.
    if !engine.snapshot(container)?.record.state.is_running() {
        let container = engine.exec_session(id.as_str())?.container.record.id.clone();
        engine.end_execs(&container);
        return Err(Error::NotRunning(container.to_string()));
    }
    let session = engine.exec_session(id.as_str())?;
    engine.events.tell(session.event(format!("exec_create: {}", session.words())));
    Ok(ExecCreateResponse { id: id.to_string() })
}

fn check_state(record: &ContainerRecord) -> Result<()> {
    let id = record.id.to_string();
    match record.state {
        State::Running { paused: false, .. } => Ok(()),
        State::Running { .. } => Err(Error::ExecInPaused(id)),
        State::Exited { restarting: true, .. } => Err(Error::Restarting(id)),
        _ => Err(Error::NotRunning(id)),
    }
}
