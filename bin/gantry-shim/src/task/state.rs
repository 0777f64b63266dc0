//! Questions: State, Pids, Connect, and Wait, which is answered when the time has come.

use super::{Answer, now};
use crate::error::Error;
use crate::process::{Stage, Waiter};
use crate::server::{Server, wait_response};
use gantry_shim_protocol::task::{
    ConnectRequest, ConnectResponse, PidsRequest, PidsResponse, ProcessInfo, StateRequest,
    StateResponse, WaitRequest,
};

/// More callers than this cannot wait for one process.
const MAX_WAITERS: usize = 1024;

impl Server {
    pub(super) fn state(&mut self, request: &StateRequest) -> Result<StateResponse, Error> {
        let process = &self.processes[self.find(&request.id, &request.exec_id)?];
        let exit = process.exit();
        Ok(StateResponse {
            id: request.id.clone(),
            bundle: self.identity.bundle.to_string_lossy().into_owned(),
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

    pub(super) fn pids(&mut self, request: &PidsRequest) -> Result<PidsResponse, Error> {
        self.find(&request.id, "")?;
        let pids = gantry_runtime::processes(&self.runtime_dir())?;
        let info = |pid: i32| ProcessInfo { pid: pid.unsigned_abs(), info: None };
        Ok(PidsResponse { processes: pids.into_iter().map(info).collect() })
    }

    pub(super) fn connect(&mut self, request: &ConnectRequest) -> Result<ConnectResponse, Error> {
        self.check_id(&request.id)?;
        let init = self.find(&request.id, "").ok().map(|index| self.processes[index].pid());
        Ok(ConnectResponse {
            shim_pid: gantry_sys::process::pid().unsigned_abs(),
            task_pid: init.unwrap_or(0),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    pub(super) fn wait(&mut self, request: &WaitRequest, caller: Waiter) -> Result<Answer, Error> {
        let index = self.find(&request.id, &request.exec_id)?;
        let process = &mut self.processes[index];
        if let Stage::Exited(exit) = process.stage {
            return Ok(now(&wait_response(exit)));
        }
        if process.waiters.len() >= MAX_WAITERS {
            return Err(Error::Invalid { reason: "too many calls wait already".to_owned() });
        }
        process.waiters.push(caller);
        Ok(Answer::Later)
    }
}
