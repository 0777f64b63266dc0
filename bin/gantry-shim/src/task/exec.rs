//! Exec, and the Start of what it prepared.

use super::{Answer, now};
use crate::container::Container;
use crate::error::Error;
use crate::hub::Hub;
use crate::operation::Effect;
use crate::process::{Alive, Exit, Process, Stage};
use crate::streams::{Owner, StdioUris, Streams};
use gantry_oci::runtime;
use gantry_runtime::Started;
use gantry_shim_protocol::MAX_ID_BYTES;
use gantry_shim_protocol::event::{TaskExecAdded, TaskExecStarted};
use gantry_shim_protocol::rpc::Empty;
use gantry_shim_protocol::task::{ExecProcessRequest, PROCESS_TYPE_URL, StartResponse};
use std::os::fd::AsFd;

/// More processes than this cannot be prepared or run by execs of one container at a time.
const MAX_EXECS: usize = 1024;
/// The status of an exec that could not be run and has no code of its own.
const CANNOT_RUN: u8 = 126;

impl Container {
    pub(super) fn exec(
        &mut self,
        request: &ExecProcessRequest,
        hub: &mut Hub,
    ) -> Result<Answer, Error> {
        let init = self.find("")?;
        let exec_id = &request.exec_id;
        if exec_id.is_empty() {
            return Err(Error::Invalid { reason: "the exec id is empty".to_owned() });
        }
        if exec_id.len() > MAX_ID_BYTES {
            return Err(Error::TooLong { what: "exec id" });
        }
        let taken = |process: &Process| process.exec_id == *exec_id && !process.deleted;
        if self.processes.iter().any(taken) {
            return Err(Error::ExecExists(exec_id.clone()));
        }
        if self.processes.len() > MAX_EXECS {
            return Err(Error::TooMany { what: "execs in one container", limit: MAX_EXECS });
        }
        if !matches!(self.processes[init].stage, Stage::Running(_)) {
            self.processes[init].alive()?;
            return Err(Error::NotStarted);
        }
        let process = exec_process(request)?;
        let uris = StdioUris {
            stdin: request.stdin.clone(),
            stdout: request.stdout.clone(),
            stderr: request.stderr.clone(),
            terminal: request.terminal,
        };
        let owner = Owner {
            id: &self.id,
            namespace: &hub.namespace,
            bundle: &self.bundle,
            pipes: self.pipes_owner,
        };
        let streams = Streams::open(&uris, owner, &mut hub.poller)?;
        self.processes.push(Process::new(exec_id.clone(), uris, Stage::Making, streams));
        let id = exec_id.clone();
        let prepared = Stage::Prepared(Box::new(process));
        self.when_logger_is_ready(hub, exec_id, move |container, hub, ready| {
            if let Err(error) = ready {
                container.unmake(&id, hub);
                return Err(error);
            }
            if let Some(process) = container.making(&id) {
                process.stage = prepared;
            }
            let event = TaskExecAdded { container_id: container.id.clone(), exec_id: id };
            hub.publisher.publish(&event, &mut hub.poller);
            Ok(now(&Empty))
        })
    }

    pub(super) fn start_exec(&mut self, index: usize, hub: &mut Hub) -> Result<Answer, Error> {
        let process = &mut self.processes[index];
        let Stage::Prepared(spec) = &process.stage else {
            process.alive()?;
            return Err(Error::AlreadyStarted);
        };
        let (spec, exec_id) = (spec.clone(), process.exec_id.clone());
        let stdio = process.streams.process_ends(&mut hub.poller);
        let started = stdio.and_then(|stdio| self.runtime.exec(&spec, stdio));
        self.when_done(hub, (Effect::MakesProcess, started), move |container, hub, started| {
            // It cannot have been deleted meanwhile.
            let index = container.find(&exec_id)?;
            match started.and_then(|started| container.adopt_exec(index, started, hub)) {
                Ok(alive) => {
                    let pid = alive.pid;
                    container.processes[index].stage = Stage::Running(alive);
                    let event =
                        TaskExecStarted { container_id: container.id.clone(), exec_id, pid };
                    hub.publisher.publish(&event, &mut hub.poller);
                    Ok(now(&StartResponse { pid }))
                }
                Err(error) => {
                    container.give_up(index, &error, hub);
                    Err(error)
                }
            }
        })
    }

    fn adopt_exec(
        &mut self,
        index: usize,
        started: Started,
        hub: &mut Hub,
    ) -> Result<Alive, Error> {
        let Started { pid, pidfd, terminal } = started;
        if let Some(master) = terminal
            && let Err(error) =
                self.processes[index].streams.adopt_terminal(master, &mut hub.poller)
        {
            // Without its terminal it is of no use; its end is reaped like an orphan's.
            drop(gantry_sys::pidfd::send_signal(pidfd.as_fd(), gantry_types::Signal::KILL));
            return Err(error);
        }
        Ok(Alive { pid: pid.unsigned_abs(), pidfd })
    }

    /// A process that could not be run has ended, for those who wait and those who are attached.
    pub(super) fn give_up(&mut self, index: usize, error: &Error, hub: &mut Hub) {
        let status = u32::from(error.exec_code().unwrap_or(CANNOT_RUN));
        self.processes[index].streams.close(&hub.poller);
        self.note_end(index, Exit { status, ..Exit::never() });
        self.tell_end(index, hub);
    }
}

/// The process that an Exec describes.
fn exec_process(request: &ExecProcessRequest) -> Result<runtime::Process, Error> {
    let (type_url, json) = match &request.spec {
        Some(any) => (any.type_url.as_str(), any.value.as_slice()),
        None => ("", &[][..]),
    };
    if !matches!(type_url, "" | PROCESS_TYPE_URL) {
        let reason = format!("an exec of type {type_url} is not a process of the OCI runtime spec");
        return Err(Error::Invalid { reason });
    }
    let mut process: runtime::Process = serde_json::from_slice(json)
        .map_err(|source| Error::ExecSpec { exec_id: request.exec_id.clone(), source })?;
    process.terminal = request.terminal;
    Ok(process)
}
