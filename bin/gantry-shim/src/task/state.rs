//! Questions: State, Pids, Connect, and Wait, which is answered when the time has come.

use super::{Answer, now};
use crate::container::Container;
use crate::ends::wait_response;
use crate::error::Error;
use crate::hub::Hub;
use crate::process::{Stage, Waiter};
use gantry_shim_protocol::rpc::Any;
use gantry_shim_protocol::task::{
    ConnectRequest, ConnectResponse, PROCESS_DETAILS_TYPE_URL, PidsRequest, PidsResponse,
    ProcessDetails, ProcessInfo, StateRequest, StateResponse, WaitRequest,
};
use gantry_shim_protocol::wire::Message;

/// More callers than this cannot wait for one process.
const MAX_WAITERS: usize = 1024;

impl Container {
    pub(super) fn state(
        &mut self,
        request: &StateRequest,
        _hub: &mut Hub,
    ) -> Result<StateResponse, Error> {
        let process = &self.processes[self.find(&request.exec_id)?];
        let exit = process.exit();
        Ok(StateResponse {
            id: self.id.clone(),
            bundle: self.bundle.to_string_lossy().into_owned(),
            pid: process.pid(),
            status: process.status(self.paused),
            stdin: process.uris.stdin.clone(),
            stdout: process.uris.stdout.clone(),
            stderr: process.uris.stderr.clone(),
            terminal: process.uris.terminal,
            exit_status: exit.map_or(0, |exit| exit.status),
            exited_at: exit.map(|exit| exit.exited_at),
            exec_id: process.exec_id.clone(),
        })
    }

    pub(super) fn pids(
        &mut self,
        _request: &PidsRequest,
        _hub: &mut Hub,
    ) -> Result<PidsResponse, Error> {
        let init = self.find("")?;
        let pids = self.runtime.processes(self.processes[init].living_pid())?;
        let info = |pid: i32| {
            let pid = pid.unsigned_abs();
            ProcessInfo { pid, info: self.details(pid) }
        };
        Ok(PidsResponse { processes: pids.into_iter().map(info).collect() })
    }

    /// The name of the exec that a process was started by.
    fn details(&self, pid: u32) -> Option<Any> {
        let exec = self.processes.iter().find(|process| {
            !process.is_init()
                && !process.deleted
                && process.pid() == pid
                && process.alive().is_ok()
        })?;
        let details = ProcessDetails { exec_id: exec.exec_id.clone() };
        Some(Any { type_url: PROCESS_DETAILS_TYPE_URL.to_owned(), value: details.encode() })
    }

    #[expect(clippy::unnecessary_wraps, reason = "one of the functions that `Server::ask` takes")]
    pub(super) fn connect(
        &mut self,
        _request: &ConnectRequest,
        _hub: &mut Hub,
    ) -> Result<ConnectResponse, Error> {
        let init = self.find("").ok().map(|index| self.processes[index].pid());
        Ok(ConnectResponse {
            shim_pid: gantry_sys::process::pid().unsigned_abs(),
            task_pid: init.unwrap_or(0),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    pub(super) fn wait(&mut self, request: &WaitRequest, caller: Waiter) -> Result<Answer, Error> {
        let index = self.find(&request.exec_id)?;
        let process = &mut self.processes[index];
        if let Stage::Exited(exit) = process.stage {
            return Ok(now(&wait_response(exit)));
        }
        if process.waiters.len() >= MAX_WAITERS {
            return Err(Error::TooMany {
                what: "calls that wait for one process",
                limit: MAX_WAITERS,
            });
        }
        process.waiters.push(caller);
        Ok(Answer::Later)
    }
}
