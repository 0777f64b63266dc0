//! What is done to processes that run: Kill, Pause, Resume, `ResizePty`, `CloseIO`, Update.

use crate::container::Container;
use crate::error::Error;
use crate::hub::Hub;
use crate::process::Stage;
use gantry_oci::runtime::LinuxResources;
use gantry_runtime::KillScope;
use gantry_shim_protocol::event::{TaskPaused, TaskResumed};
use gantry_shim_protocol::rpc::Empty;
use gantry_shim_protocol::task::{
    CloseIoRequest, KillRequest, PauseRequest, RESOURCES_TYPE_URL, ResizePtyRequest, ResumeRequest,
    UpdateTaskRequest,
};
use gantry_types::Signal;
use std::os::fd::AsFd;

impl Container {
    pub(super) fn kill(&mut self, request: &KillRequest, _hub: &mut Hub) -> Result<Empty, Error> {
        let index = self.find(&request.exec_id)?;
        let signal = i32::try_from(request.signal).unwrap_or(i32::MAX);
        let signal = Signal::from_raw(signal)
            .map_err(|error| Error::Invalid { reason: error.to_string() })?;
        if request.all {
            self.runtime.kill(signal, KillScope::All)?;
            return Ok(Empty);
        }
        let alive = self.processes[index].alive()?;
        if request.exec_id.is_empty() {
            self.runtime.kill(signal, KillScope::Init)?;
            return Ok(Empty);
        }
        match gantry_sys::pidfd::send_signal(alive.pidfd.as_fd(), signal) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                Err(Error::Finished)
            }
            other => other.map(|()| Empty).map_err(Error::system("send a signal")),
        }
    }

    pub(super) fn pause(&mut self, _request: &PauseRequest, hub: &mut Hub) -> Result<Empty, Error> {
        self.check_running()?;
        self.runtime.pause()?;
        self.paused = true;
        let event = TaskPaused { container_id: self.id.clone() };
        hub.publisher.publish(&event, &mut hub.poller);
        Ok(Empty)
    }

    pub(super) fn resume(
        &mut self,
        _request: &ResumeRequest,
        hub: &mut Hub,
    ) -> Result<Empty, Error> {
        self.check_running()?;
        self.runtime.resume()?;
        self.paused = false;
        let event = TaskResumed { container_id: self.id.clone() };
        hub.publisher.publish(&event, &mut hub.poller);
        Ok(Empty)
    }

    pub(super) fn resize(
        &mut self,
        request: &ResizePtyRequest,
        _hub: &mut Hub,
    ) -> Result<Empty, Error> {
        let index = self.find(&request.exec_id)?;
        let size = |cells: u32| {
            u16::try_from(cells).map_err(|_| Error::Invalid {
                reason: format!("a terminal cannot have {cells} rows or columns"),
            })
        };
        self.processes[index].streams.resize(size(request.height)?, size(request.width)?)?;
        Ok(Empty)
    }

    pub(super) fn close_io(
        &mut self,
        request: &CloseIoRequest,
        hub: &mut Hub,
    ) -> Result<Empty, Error> {
        let index = self.find(&request.exec_id)?;
        if request.stdin {
            self.processes[index].streams.close_input(&hub.poller);
        }
        Ok(Empty)
    }

    pub(super) fn update(
        &mut self,
        request: &UpdateTaskRequest,
        _hub: &mut Hub,
    ) -> Result<Empty, Error> {
        self.processes[self.find("")?].alive()?;
        let Some(any) = &request.resources else {
            return Ok(Empty);
        };
        if !matches!(any.type_url.as_str(), "" | RESOURCES_TYPE_URL) {
            let reason = format!("resources of type {} are not those of Linux", any.type_url);
            return Err(Error::Invalid { reason });
        }
        let resources: LinuxResources =
            serde_json::from_slice(&any.value).map_err(|source| Error::Resources { source })?;
        self.runtime.update(&resources, &any.value)?;
        Ok(Empty)
    }

    pub(super) fn check_running(&self) -> Result<(), Error> {
        let process = &self.processes[self.find("")?];
        process.alive()?;
        if matches!(process.stage, Stage::Running(_)) { Ok(()) } else { Err(Error::NotStarted) }
    }
}
