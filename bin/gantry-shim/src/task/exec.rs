//! Exec, and the Start of what it prepared.

use crate::error::Error;
use crate::process::{Alive, Exit, Process, Stage};
use crate::server::Server;
use crate::streams::{StdioUris, Streams};
use gantry_oci::runtime;
use gantry_runtime::{ExecOptions, Started};
use gantry_shim_protocol::MAX_ID_BYTES;
use gantry_shim_protocol::event::{TaskExecAdded, TaskExecStarted};
use gantry_shim_protocol::task::{ExecProcessRequest, StartResponse};

/// The status of an exec that could not be run and has no code of its own.
const CANNOT_RUN: u8 = 126;

impl Server {
    pub(super) fn exec(&mut self, request: ExecProcessRequest) -> Result<(), Error> {
        let init = self.find(&request.id, "")?;
        let ExecProcessRequest { id, exec_id, terminal, stdin, stdout, stderr, spec } = request;
        if exec_id.is_empty() {
            return Err(Error::Invalid { reason: "the exec id is empty".to_owned() });
        }
        if exec_id.len() > MAX_ID_BYTES {
            return Err(Error::TooLong { what: "exec id" });
        }
        if self.processes.iter().any(|process| process.exec_id == exec_id) {
            return Err(Error::ExecExists(exec_id));
        }
        if !matches!(self.processes[init].stage, Stage::Running(_)) {
            self.processes[init].alive()?;
            return Err(Error::NotStarted);
        }
        let json = spec.map(|any| any.value).unwrap_or_default();
        let mut process: runtime::Process = serde_json::from_slice(&json)
            .map_err(|source| Error::ExecSpec { exec_id: exec_id.clone(), source })?;
        process.terminal = terminal;
        let uris = StdioUris { stdin, stdout, stderr, terminal };
        let streams = Streams::open(&uris, &mut self.poller)?;
        self.processes.push(Process {
            exec_id: exec_id.clone(),
            uris,
            stage: Stage::Prepared(Box::new(process)),
            streams,
            waiters: Vec::new(),
            deleted: false,
        });
        let event = TaskExecAdded { container_id: id, exec_id };
        self.publisher.publish(&event, &mut self.poller);
        Ok(())
    }

    pub(super) fn start_exec(&mut self, index: usize) -> Result<StartResponse, Error> {
        let process = &mut self.processes[index];
        let Stage::Prepared(spec) = &process.stage else {
            process.alive()?;
            return Err(Error::AlreadyStarted);
        };
        let spec = spec.clone();
        match self.run_exec(index, &spec) {
            Ok(alive) => {
                let pid = alive.pid;
                self.processes[index].stage = Stage::Running(alive);
                let event = TaskExecStarted {
                    container_id: self.identity.id.clone(),
                    exec_id: self.processes[index].exec_id.clone(),
                    pid,
                };
                self.publisher.publish(&event, &mut self.poller);
                Ok(StartResponse { pid })
            }
            Err(error) => {
                self.give_up_exec(index, &error);
                Err(error)
            }
        }
    }

    fn run_exec(&mut self, index: usize, spec: &runtime::Process) -> Result<Alive, Error> {
        let state_dir = self.runtime_dir();
        let streams = &mut self.processes[index].streams;
        let stdio = streams.process_ends(&mut self.poller)?;
        let options = ExecOptions { process: spec, stdio, preserve_fds: 0 };
        let Started { pid, pidfd, terminal } = gantry_runtime::exec(&state_dir, &options)?;
        if let Some(master) = terminal
            && let Err(error) = streams.adopt_terminal(master, &mut self.poller)
        {
            // Without its terminal it is of no use; its end is reaped like an orphan's.
            drop(gantry_sys::pidfd::send_signal(
                std::os::fd::AsFd::as_fd(&pidfd),
                gantry_types::Signal::KILL,
            ));
            return Err(error);
        }
        Ok(Alive { pid: pid.unsigned_abs(), pidfd })
    }

    /// A process that could not be run has ended, for those who wait and those who are attached.
    fn give_up_exec(&mut self, index: usize, error: &Error) {
        let code = match error {
            Error::Runtime(error) => error.exec_code(),
            _ => None,
        };
        let status = u32::from(code.unwrap_or(CANNOT_RUN));
        self.processes[index].streams.close(&self.poller);
        self.note_end(index, Exit { status, ..Exit::never() });
        self.tell_end(index);
    }
}
