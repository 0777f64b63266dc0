//! Sessions of an earlier daemon: each that runs has a note in its container's bundle, and is found again by it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_api::exec::ExecCreateRequest;
use gantry_shim_protocol::task::TaskStatus;
use gantry_shims::{ExitNotice, Shim, Shims};
use gantry_types::{ExecId, Signal, error_chain};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{ExecSession, ExecState, start};
use crate::engine::{Engine, names_in};
use crate::record::Snapshot;

/// The directory of notes in a bundle.
const NOTES: &str = "execs";

/// What a note says.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    #[serde(flatten)]
    request: ExecCreateRequest,
    /// Of a health check: without its daemon nobody limits its time.
    #[serde(default)]
    is_probe: bool,
}

fn note(bundle: &Path, id: &str) -> PathBuf {
    bundle.join(NOTES).join(id)
}

/// Writes the note of a session that is about to run. One that cannot be written costs what it is for, and no more.
pub(super) fn keep(bundle: &Path, session: &ExecSession) {
    let path = note(bundle, session.id.as_str());
    let said = Note { request: session.request.clone(), is_probe: session.is_probe };
    let text = serde_json::to_vec(&said).map_err(std::io::Error::from);
    let written = text.and_then(|text| match std::fs::write(&path, &text) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir(bundle.join(NOTES))
                .or_else(|error| match error.kind() {
                    std::io::ErrorKind::AlreadyExists => Ok(()),
                    _ => Err(error),
                })
                .and_then(|()| std::fs::write(&path, &text))
        }
        result => result,
    });
    if let Err(error) = written {
        tracing::warn!(error = error_chain(&error), exec = %session.id, "another daemon will not know this exec");
    }
}

/// Removes the note of a session that has ended. The bundle goes with its container, and takes the note along.
pub(super) fn forget(bundle: &Path, session: &ExecSession) {
    drop(std::fs::remove_file(note(bundle, session.id.as_str())));
}

/// Finds the sessions of a container that went on running.
pub(crate) fn restore(engine: &Engine, container: &Snapshot) {
    let Some(shim) = container.shim.clone() else { return };
    for name in names_in(&shim.bundle().join(NOTES)) {
        let text = std::fs::read(note(shim.bundle(), &name)).ok();
        let said = text.and_then(|text| serde_json::from_slice::<Note>(&text).ok());
        let (Ok(id), Some(said)) = (name.parse::<ExecId>(), said) else { continue };
        one(engine, container, &shim, (id, said));
    }
}

fn one(
    engine: &Engine,
    container: &Snapshot,
    shim: &Arc<Shim>,
    (id, Note { request, is_probe }): (ExecId, Note),
) {
    let state = match shim.state(id.as_str()) {
        Ok(state) if state.status != TaskStatus::Stopped => ExecState::Running { pid: state.pid },
        _ => {
            let notice = Shims::recorded_exit(shim.bundle(), id.as_str());
            let notice = notice.unwrap_or(ExitNotice::ShimDied);
            ExecState::Ended { code: code_of(notice), at: gantry_sys::clock::now() }
        }
    };
    let is_running = matches!(state, ExecState::Running { .. });
    let (state, _) = watch::channel(state);
    let session =
        ExecSession { id: id.clone(), container: container.clone(), request, is_probe, state };
    if !is_running {
        forget(shim.bundle(), &session);
        if let Err(error) = shim.delete(id.as_str()) {
            tracing::debug!(error = error_chain(&error), exec = %id, "the shim has forgotten an exec already");
        }
    }
    if let Err(error) = engine.add_exec(session) {
        tracing::warn!(error = error_chain(&error), exec = %id, "cannot take an exec over");
        return;
    }
    if let (true, Ok(session)) = (is_running, engine.exec_session(id.as_str())) {
        start::listen(engine, &session, shim);
        if is_probe && let Err(error) = shim.kill(id.as_str(), Signal::KILL) {
            tracing::debug!(error = error_chain(&error), exec = %id, "a probe ended by itself");
        }
    }
}

/// What a session's process ended with.
pub(super) fn code_of(notice: ExitNotice) -> i32 {
    const KILLED: i32 = 137;
    match notice {
        ExitNotice::Exited { status, .. } => i32::try_from(status).unwrap_or(255),
        ExitNotice::ShimDied => KILLED,
    }
}
