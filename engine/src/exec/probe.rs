//! A health check's probe: a process in the container whose output is kept and whose time is limited.

use std::time::{Duration, Instant};

use gantry_api::exec::{ExecCreateRequest, ExecStartRequest};
use gantry_types::{Signal, error_chain};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::create::create_session;
use super::{ExecState, start};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::Probe;

/// What is kept of a probe's output.
const KEPT_BYTES: usize = 4096;
/// How long a killed process may take to be gone.
const END_LIMIT: Duration = Duration::from_secs(10);
/// Between the head of a frame and its end: stream, three zeros, length.
const FRAME_HEAD: usize = 8;

/// What to run, and for how long.
pub(crate) struct ProbeRequest {
    pub command: Vec<String>,
    pub timeout: Duration,
}

/// Runs a probe to its end, or to the end of its time.
pub(crate) async fn probe(engine: &Engine, container: &str, request: ProbeRequest) -> Probe {
    let begun = gantry_sys::clock::now();
    let (code, output) = match run(engine, container, request).await {
        Ok(found) => found,
        Err(error) => (-1, error_chain(&error)),
    };
    Probe { start: begun, end: gantry_sys::clock::now(), code, output }
}

async fn run(engine: &Engine, container: &str, probe: ProbeRequest) -> Result<(i32, String)> {
    let ProbeRequest { command, timeout } = probe;
    let request = ExecCreateRequest {
        attach_stdout: true,
        attach_stderr: true,
        cmd: command,
        ..ExecCreateRequest::default()
    };
    let id = create_session(engine, container, request, true)?.id;
    let outcome = run_session(engine, &id, timeout).await;
    // Probes come often, and nobody asks for their sessions.
    engine.forget_exec(&id);
    outcome
}

async fn run_session(engine: &Engine, id: &str, timeout: Duration) -> Result<(i32, String)> {
    let session = engine.exec_session(id)?;
    let mut state = session.state.subscribe();
    let mut kept = Vec::new();
    let begun = Instant::now();
    let whole = async {
        let attachment = start(engine, id, ExecStartRequest::default()).await?;
        let live = attachment.and_then(|mut attachment| attachment.live.take());
        let live = live.ok_or(Error::ShuttingDown)?.await.map_err(|_| Error::ShuttingDown)??;
        engine.probes.started(begun.elapsed());
        read(live, &mut kept).await;
        drop(state.wait_for(|state| matches!(state, ExecState::Ended { .. })).await);
        Ok::<(), Error>(())
    };
    let Ok(ended) = tokio::time::timeout(timeout, whole).await else {
        kill(engine, id).await?;
        return Ok((-1, format!("Health check exceeded timeout ({})", words(timeout))));
    };
    ended?;
    let state = *session.state.borrow();
    let code = if let ExecState::Ended { code, .. } = state { code } else { -1 };
    Ok((code, String::from_utf8_lossy(&kept).into_owned()))
}

/// Reads frames to the end and keeps the beginning of what is in them.
async fn read(mut stream: UnixStream, kept: &mut Vec<u8>) {
    let mut head = [0; FRAME_HEAD];
    let mut piece = vec![0; KEPT_BYTES];
    // An error is an end as well: the process is gone.
    while stream.read_exact(&mut head).await.is_ok() {
        let [.., a, b, c, d] = head;
        let mut left = u32::from_be_bytes([a, b, c, d]) as usize;
        while left > 0 {
            let part = left.min(piece.len());
            match stream.read(&mut piece[..part]).await {
                Ok(length @ 1..) => {
                    let room = KEPT_BYTES - kept.len();
                    kept.extend_from_slice(&piece[..length.min(room)]);
                    left -= length;
                }
                _ => return,
            }
        }
    }
}

/// Ends a process that takes too long, and waits for its end for a while.
async fn kill(engine: &Engine, id: &str) -> Result<()> {
    let session = engine.exec_session(id)?;
    let Some(shim) = session.container.shim.clone() else { return Ok(()) };
    let (mut state, exec_id) = (session.state.subscribe(), id.to_owned());
    // One whose start takes long gets it when it is there, however late that is.
    tokio::spawn(async move {
        let settled = state.wait_for(|state| match state {
            ExecState::Created | ExecState::Running { pid: 0 } => false,
            ExecState::Running { .. } | ExecState::Ended { .. } => true,
        });
        let is_running = matches!(settled.await.as_deref(), Ok(ExecState::Running { .. }));
        if !is_running {
            return;
        }
        if let Err(error) = block(move || shim.kill(&exec_id, Signal::KILL)).await {
            tracing::debug!(error = error_chain(&error), "a probe ended by itself");
        }
    });
    let mut state = session.state.subscribe();
    let ended = state.wait_for(|state| matches!(state, ExecState::Ended { .. }));
    // One that does not end holds up no other probe for ever.
    drop(tokio::time::timeout(END_LIMIT, ended).await);
    Ok(())
}

/// A duration as Go writes whole seconds and milliseconds.
fn words(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_millis()) {
        (0, millis) => format!("{millis}ms"),
        (seconds, 0) if seconds < 60 => format!("{seconds}s"),
        (seconds, 0) if seconds < 3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        (seconds, 0) => format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
        (seconds, millis) => format!("{seconds}.{millis:03}s"),
    }
}
