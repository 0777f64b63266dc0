//! What is done to processes that run: Kill, Pause, Resume, `ResizePty`, `CloseIO`, Update.

use crate::error::Error;
use crate::process::Stage;
use crate::server::Server;
use gantry_oci::runtime::LinuxResources;
use gantry_runtime::KillScope;
use gantry_shim_protocol::event::{TaskPaused, TaskResumed};
use gantry_shim_protocol::task::{
    CloseIoRequest, KillRequest, PauseRequest, ResizePtyRequest, ResumeRequest, UpdateTaskRequest,
};
use gantry_types::Signal;
use std::os::fd::AsFd;

impl Server {
    pub(super) fn kill(&mut self, request: &KillRequest) -> Result<(), Error> {
        let index = self.find(&request.id, &request.exec_id)?;
        let signal = i32::try_from(request.signal).unwrap_or(i32::MAX);
        let signal = Signal::from_raw(signal)
            .map_err(|error| Error::Invalid { reason: error.to_string() })?;
        if request.all {
            return Ok(gantry_runtime::kill(&self.runtime_dir(), signal, KillScope::All)?);
        }
        let alive = self.processes[index].alive()?;
        if request.exec_id.is_empty() {
            return match gantry_runtime::kill(&self.runtime_dir(), signal, KillScope::Init) {
                Err(gantry_runtime::Error::NotRunning) => Err(Error::Finished),
                other => Ok(other?),
            };
        }
        match gantry_sys::pidfd::send_signal(alive.pidfd.as_fd(), signal) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                Err(Error::Finished)
            }
            other => other.map_err(Error::system("send a signal")),
        }
    }

    pub(super) fn pause(&mut self, request: &PauseRequest) -> Result<(), Error> {
        self.check_running(&request.id)?;
        gantry_runtime::pause(&self.runtime_dir())?;
        self.paused = true;
        let event = TaskPaused { container_id: request.id.clone() };
        self.publisher.publish(&event, &mut self.poller);
        Ok(())
    }

    pub(super) fn resume(&mut self, request: &ResumeRequest) -> Result<(), Error> {
        self.check_running(&request.id)?;
        gantry_runtime::resume(&self.runtime_dir())?;
        self.paused = false;
        let event = TaskResumed { container_id: request.id.clone() };
        self.publisher.publish(&event, &mut self.poller);
        Ok(())
    }

    pub(super) fn resize(&mut self, request: &ResizePtyRequest) -> Result<(), Error> {
        let index = self.find(&request.id, &request.exec_id)?;
        let size = |cells: u32| {
            u16::try_from(cells).map_err(|_| Error::Invalid {
                reason: format!("a terminal cannot have {cells} rows or columns"),
            })
        };
        self.processes[index].streams.resize(size(request.height)?, size(request.width)?)
    }

    pub(super) fn close_io(&mut self, request: &CloseIoRequest) -> Result<(), Error> {
        let index = self.find(&request.id, &request.exec_id)?;
        if request.stdin {
            self.processes[index].streams.close_input(&self.poller);
        }
        Ok(())
    }

    pub(super) fn update(&mut self, request: &UpdateTaskRequest) -> Result<(), Error> {
        self.find(&request.id, "")?;
        let json = request.resources.as_ref().map_or(&b"{}"[..], |any| &any.value);
        let resources: LinuxResources =
            serde_json::from_slice(json).map_err(|source| Error::Resources { source })?;
        Ok(gantry_runtime::update(&self.runtime_dir(), &resources)?)
    }

    fn check_running(&self, id: &str) -> Result<(), Error> {
        let process = &self.processes[self.find(id, "")?];
        process.alive()?;
        if matches!(process.stage, Stage::Running(_)) { Ok(()) } else { Err(Error::NotStarted) }
    }
}
