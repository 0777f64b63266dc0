//! The task API: which call goes where. Each does its work in `task/`; the messages are containerd's.

mod container;
mod exec;
mod signal;
mod state;
mod stats;

use crate::error::Error;
use crate::process::{Process, Waiter};
use crate::server::Server;
use gantry_shim_protocol::rpc::{Empty, Request};
use gantry_shim_protocol::wire::Message;
use gantry_shim_protocol::{TASK_SERVICE_V2, TASK_SERVICE_V3};
use std::path::PathBuf;

/// Where the runtime keeps its record, inside the bundle.
pub(crate) const RUNTIME_DIR: &str = "runtime";

/// What a call is answered with.
pub(crate) enum Answer {
    /// This message.
    Now(Vec<u8>),
    /// The caller was noted down.
    Later,
}

fn now(message: &impl Message) -> Answer {
    Answer::Now(message.encode())
}

fn arguments<M: Message>(request: &Request) -> Result<M, Error> {
    Ok(M::decode(&request.payload)?)
}

impl Server {
    /// Serves one call.
    pub(crate) fn call(&mut self, caller: Waiter, request: &Request) -> Result<Answer, Error> {
        if ![TASK_SERVICE_V2, TASK_SERVICE_V3].contains(&request.service.as_str()) {
            return Err(Error::NotThereYet { what: format!("service {}", request.service) });
        }
        // What has ended is known as ended, even when its signal comes in the same moment.
        self.reap();
        match request.method.as_str() {
            "Create" => self.create(arguments(request)?).map(|response| now(&response)),
            "Start" => self.start(&arguments(request)?).map(|response| now(&response)),
            "Exec" => self.exec(arguments(request)?).map(|()| now(&Empty)),
            "Delete" => self.delete(&arguments(request)?).map(|response| now(&response)),
            "Wait" => self.wait(&arguments(request)?, caller),
            "Kill" => self.kill(&arguments(request)?).map(|()| now(&Empty)),
            "State" => self.state(&arguments(request)?).map(|response| now(&response)),
            "Pids" => self.pids(&arguments(request)?).map(|response| now(&response)),
            "Pause" => self.pause(&arguments(request)?).map(|()| now(&Empty)),
            "Resume" => self.resume(&arguments(request)?).map(|()| now(&Empty)),
            "ResizePty" => self.resize(&arguments(request)?).map(|()| now(&Empty)),
            "CloseIO" => self.close_io(&arguments(request)?).map(|()| now(&Empty)),
            "Update" => self.update(&arguments(request)?).map(|()| now(&Empty)),
            "Stats" => self.stats(&arguments(request)?).map(|response| now(&response)),
            "Connect" => self.connect(&arguments(request)?).map(|response| now(&response)),
            "Shutdown" => {
                self.shutdown(&arguments(request)?);
                Ok(now(&Empty))
            }
            other => Err(Error::NotThereYet { what: format!("method {other}") }),
        }
    }

    /// Refuses calls that mean another container.
    fn check_id(&self, id: &str) -> Result<(), Error> {
        if id == self.identity.id { Ok(()) } else { Err(Error::NoContainer(id.to_owned())) }
    }

    /// Where a process stands in the list.
    fn find(&self, id: &str, exec_id: &str) -> Result<usize, Error> {
        self.check_id(id)?;
        let known = |process: &Process| process.exec_id == exec_id && !process.deleted;
        self.processes.iter().position(known).ok_or_else(|| {
            if exec_id.is_empty() {
                Error::NoContainer(id.to_owned())
            } else {
                Error::NoExec(exec_id.to_owned())
            }
        })
    }

    fn runtime_dir(&self) -> PathBuf {
        self.identity.bundle.join(RUNTIME_DIR)
    }
}
