//! `exec inspect`: what a session runs and how it ended.

use gantry_api::exec::{ExecInspect, ExecProcessConfig};

use super::ExecState;
use crate::Result;
use crate::engine::Engine;

/// Tells everything about a session.
pub fn inspect(engine: &Engine, id: &str) -> Result<ExecInspect> {
    let session = engine.exec_session(id)?;
    let request = &session.request;
    let state = *session.state.borrow();
    Ok(ExecInspect {
        id: session.id.to_string(),
        running: matches!(state, ExecState::Running { .. }),
        exit_code: match state {
            ExecState::Ended { code, .. } => Some(code),
            _ => None,
        },
        process_config: ExecProcessConfig {
            tty: request.tty,
            entrypoint: request.cmd.first().cloned().unwrap_or_default(),
            arguments: request.cmd.iter().skip(1).cloned().collect(),
            privileged: Some(request.privileged),
            user: request.user.clone(),
        },
        open_stdin: request.attach_stdin,
        open_stderr: request.attach_stderr,
        open_stdout: request.attach_stdout,
        can_remove: matches!(state, ExecState::Ended { .. }),
        container_id: session.container.record.id.to_string(),
        detach_keys: request.detach_keys.clone(),
        pid: match state {
            ExecState::Running { pid } => i32::try_from(pid).unwrap_or(0),
            _ => 0,
        },
    })
}
