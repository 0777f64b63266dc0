//! `exec start`: runs what was remembered, with or without a client at its streams.

use std::sync::Arc;

use gantry_api::exec::{ExecCreateRequest, ExecStartRequest};
use gantry_shim_protocol::attach::{AttachHeader, Streams};
use gantry_shim_protocol::stdio::{Input, Output};
use gantry_shims::{ExecOptions, Shim};
use gantry_types::ErrorKind;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::{ExecSession, ExecState, restore};
use crate::blocking::block;
use crate::container::{Attachment, connect};
use crate::engine::Engine;
use crate::error::Error;
use crate::plan;
use crate::{Result, apparmor, selinux};

/// Runs a session, once.
///
/// Detached, it returns when the process has begun, or with the failure. Otherwise the streams come through the
/// [`Attachment`], and so does a failure to start, because by then the client's connection is taken over.
pub async fn start(
    engine: &Engine,
    id: &str,
    request: ExecStartRequest,
) -> Result<Option<Attachment>> {
    let session = engine.exec_session(id)?;
    let mut fresh = false;
    session.state.send_if_modified(|state| {
        fresh = *state == ExecState::Created;
        if fresh {
            *state = ExecState::Running { pid: 0 };
        }
        fresh
    });
    if !fresh {
        return Err(Error::ExecHasRun(id.to_owned()));
    }
    let engine = engine.clone();
    if request.detach {
        run(&engine, &session, request, false).await?;
        return Ok(None);
    }
    let (reply, live) = oneshot::channel();
    let attachment = Attachment::of_exec(session.request.tty, live, session.state.subscribe());
    tokio::spawn(async move {
        let streams = run(&engine, &session, request, true).await;
        let streams = streams.and_then(|streams| streams.ok_or(Error::ShuttingDown));
        crate::container::task::answer(reply, streams);
    });
    Ok(Some(attachment))
}

/// Makes and starts the process; a failure becomes the session's end.
async fn run(
    engine: &Engine,
    session: &Arc<ExecSession>,
    request: ExecStartRequest,
    attach: bool,
) -> Result<Option<UnixStream>> {
    let container = &session.container.record.id;
    let outcome = steps(engine, session, request, attach).await.map_err(|error| {
        // Whatever fails in a container that has ended meanwhile fails because of that.
        match engine.snapshot(container.as_str()) {
            Ok(now) if now.record.state.is_running() => error,
            _ => Error::NotRunning(container.to_string()),
        }
    });
    if let Err(error) = &outcome {
        let code = match error.kind() {
            ErrorKind::NotFound => 127,
            _ => 126,
        };
        session.end(engine, code, gantry_sys::clock::now());
    }
    outcome
}

async fn steps(
    engine: &Engine,
    session: &Arc<ExecSession>,
    start: ExecStartRequest,
    attach: bool,
) -> Result<Option<UnixStream>> {
    let plan = &session.container.record.plan;
    let container = &session.container.record.id;
    let Some(shim) = session.container.shim.clone() else {
        return Err(Error::NotRunning(container.to_string()));
    };
    let request = ExecCreateRequest {
        // Docker takes a size only with the promise of a terminal.
        console_size: start.console_size.filter(|_| start.tty).or(session.request.console_size),
        ..session.request.clone()
    };
    let mut process = plan::exec_process(plan, &request, &engine.host.all_capabilities());
    let (stdin, stdout, stderr) = stdio(&request, attach);
    let mut options = ExecOptions {
        process: Vec::new(),
        terminal: request.tty,
        stdin: stdin.to_string(),
        stdout: stdout.to_string(),
        stderr: stderr.to_string(),
    };
    let (made, kept) = (Arc::clone(&shim), Arc::clone(session));
    let host = engine.clone();
    block(move || {
        apparmor::provide(&host.host, &mut process)?;
        selinux::provide(&mut process);
        options.process =
            serde_json::to_vec(&process).map_err(|error| Error::invalid(error.to_string()))?;
        restore::keep(made.bundle(), &kept);
        made.exec(kept.id.as_str(), &options)
            .inspect_err(|_| restore::forget(made.bundle(), &kept))
            .map_err(|source| Error::ExecFailed { source })
    })
    .await?;
    let started = start_prepared(engine, session, &shim, attach).await;
    if started.is_err() {
        let (session, shim) = (Arc::clone(session), Arc::clone(&shim));
        block(move || forget(&session, &shim)).await;
    }
    started
}

/// Attaches the client to the prepared process, so that it sees the first byte, and lets it run.
async fn start_prepared(
    engine: &Engine,
    session: &Arc<ExecSession>,
    shim: &Arc<Shim>,
    attach: bool,
) -> Result<Option<UnixStream>> {
    let request = &session.request;
    let streams = if attach {
        let streams = Streams {
            stdin: request.attach_stdin,
            stdout: request.attach_stdout,
            stderr: request.attach_stderr && !request.tty,
        };
        Some(connect(shim, AttachHeader { exec_id: session.id.to_string(), streams }).await?)
    } else {
        None
    };
    listen(engine, session, shim);
    // Before it can end.
    engine.events.tell(session.event(format!("exec_start: {}", session.words())));
    let (running, id) = (Arc::clone(shim), session.id.to_string());
    let pid = block(move || running.start(&id)).await;
    let pid = pid.map_err(|source| Error::ExecFailed { source })?;
    session.state.send_if_modified(|state| {
        // It may have ended already.
        let running = *state == ExecState::Running { pid: 0 };
        if running {
            *state = ExecState::Running { pid };
        }
        running
    });
    Ok(streams)
}

fn stdio(request: &ExecCreateRequest, attach: bool) -> (Input, Output, Output) {
    let output = |wanted: bool| if attach && wanted { Output::Relay(None) } else { Output::Null };
    let stdin =
        if attach && request.attach_stdin { Input::Relay { once: true } } else { Input::Null };
    if request.tty {
        // The terminal has one output.
        (stdin, Output::Relay(None), Output::Null)
    } else {
        (stdin, output(request.attach_stdout), output(request.attach_stderr))
    }
}

/// Lets the session know its end, and the shim forget the process then.
pub(super) fn listen(engine: &Engine, session: &Arc<ExecSession>, shim: &Arc<Shim>) {
    let (engine, session, shim_) = (engine.clone(), Arc::clone(session), Arc::clone(shim));
    let runtime = tokio::runtime::Handle::current();
    shim.on_exit(session.id.clone().as_str(), move |notice| {
        let code = restore::code_of(notice);
        session.end(&engine, code, gantry_sys::clock::now());
        // The notice comes on the thread that reads the answers of shims, which must not wait for one.
        runtime.spawn_blocking(move || forget(&session, &shim_));
    });
}

fn forget(session: &ExecSession, shim: &Shim) {
    restore::forget(shim.bundle(), session);
    if let Err(error) = shim.delete(session.id.as_str()) {
        tracing::debug!(error = gantry_types::error_chain(&error), exec = %session.id, "the shim has forgotten an exec already");
    }
}
