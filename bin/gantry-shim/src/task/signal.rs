//! What is done to processes that run: Kill, Pause, Resume, `ResizePty`, `CloseIO`, Update.

use super::{Answer, now};
use crate::container::Container;
use crate::error::Error;
use crate::hub::Hub;
use crate::operation::Effect;
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
    pub(super) fn kill(&mut self, request: &KillRequest, hub: &mut Hub) -> Result<Answer, Error> {
        let index = self.find(&request.exec_id)?;
        let signal = i32::try_from(request.signal).unwrap_or(i32::MAX);
        let signal = Signal::from_raw(signal)
            .map_err(|error| Error::Invalid { reason: error.to_string() })?;
        let scope = if request.all { KillScope::All } else { KillScope::Init };
        if request.all || request.exec_id.is_empty() {
            if !request.all {
                self.processes[index].alive()?;
            }
            let killed = self.runtime.kill(signal, scope);
            return self.when_done(hub, (Effect::Other, killed), |_, _, killed| {
                killed.map(|()| now(&Empty))
            });
        }
        let alive = self.processes[index].alive()?;
        match gantry_sys::pidfd::send_signal(alive.pidfd.as_fd(), signal) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                Err(Error::Finished)
            }
            other => other.map(|()| now(&Empty)).map_err(Error::system("send a signal")),
        }
    }

    pub(super) fn pause(
        &mut self,
        _request: &PauseRequest,
        hub: &mut Hub,
    ) -> Result<Answer, Error> {
        self.check_running()?;
        let paused = self.runtime.pause();
        self.when_done(hub, (Effect::Other, paused), |container, hub, paused| {
            paused?;
            container.paused = true;
            let event = TaskPaused { container_id: container.id.clone() };
            hub.publisher.publish(&event, &mut hub.poller);
            Ok(now(&Empty))
        })
    }

    pub(super) fn resume(
        &mut self,
        _request: &ResumeRequest,
        hub: &mut Hub,
    ) -> Result<Answer, Error> {
        self.check_running()?;
        let resumed = self.runtime.resume();
        self.when_done(hub, (Effect::Other, resumed), |container, hub, resumed| {
            resumed?;
            container.paused = false;
            let event = TaskResumed { container_id: container.id.clone() };
            hub.publisher.publish(&event, &mut hub.poller);
            Ok(now(&Empty))
        })
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
        hub: &mut Hub,
    ) -> Result<Answer, Error> {
        self.processes[self.find("")?].alive()?;
        let Some(any) = &request.resources else {
            return Ok(now(&Empty));
        };
        if !matches!(any.type_url.as_str(), "" | RESOURCES_TYPE_URL) {
            let reason = format!("resources of type {} are not those of Linux", any.type_url);
            return Err(Error::Invalid { reason });
        }
        let resources: LinuxResources =
            serde_json::from_slice(&any.value).map_err(|source| Error::Resources { source })?;
        let updated = self.runtime.update(&resources, &any.value);
        self.when_done(hub, (Effect::Other, updated), |_, _, updated| updated.map(|()| now(&Empty)))
    }

    pub(super) fn check_running(&self) -> Result<(), Error> {
        let process = &self.processes[self.find("")?];
        process.alive()?;
        if matches!(process.stage, Stage::Running(_)) { Ok(()) } else { Err(Error::NotStarted) }
    }
}
