//! The task API: which call goes where. Each does its work in `task/`; the messages are containerd's.

mod checkpoint;
mod container;
mod exec;
mod shutdown;
mod signal;
mod state;
mod stats;

use crate::container::Container;
use crate::error::Error;
use crate::hub::Hub;
use crate::operation::Operation;
use crate::process::Waiter;
use crate::server::Server;
use gantry_shim_protocol::group::{GROUP_SERVICE, JOIN_METHOD};
use gantry_shim_protocol::rpc::{Empty, Request, Response};
use gantry_shim_protocol::task::{
    CheckpointTaskRequest, CloseIoRequest, ConnectRequest, DeleteRequest, ExecProcessRequest,
    KillRequest, PauseRequest, PidsRequest, ResizePtyRequest, ResumeRequest, StartRequest,
    StateRequest, StatsRequest, UpdateTaskRequest, WaitRequest,
};
use gantry_shim_protocol::wire::Message;
use gantry_shim_protocol::{TASK_SERVICE_V2, TASK_SERVICE_V3};

/// What a call is answered with.
pub(crate) enum Answer {
    /// This message.
    Now(Vec<u8>),
    /// The caller was noted down.
    Later,
    /// When this is over.
    After(Box<Operation>),
}

fn now(message: &impl Message) -> Answer {
    Answer::Now(message.encode())
}

fn arguments<M: Message>(request: &Request) -> Result<M, Error> {
    Ok(M::decode(&request.payload)?)
}

/// A call that is about one container.
trait Addressed: Message {
    fn id(&self) -> &str;
}

macro_rules! addressed {
    ($( $name:ident )*) => {$(
        impl Addressed for $name {
            fn id(&self) -> &str {
                &self.id
            }
        }
    )*};
}

addressed! {
    CheckpointTaskRequest CloseIoRequest ConnectRequest DeleteRequest ExecProcessRequest KillRequest
    PauseRequest PidsRequest
    ResizePtyRequest ResumeRequest StartRequest StateRequest StatsRequest UpdateTaskRequest WaitRequest
}

impl Server {
    /// Serves one call and answers it, now or when its time has come.
    pub(crate) fn serve(
        &mut self,
        caller: Waiter,
        request: Result<Request, gantry_shim_protocol::Error>,
    ) {
        let answer = request.map_err(Into::into).and_then(|request| self.call(caller, &request));
        let response = match answer {
            // What comes after something is kept by its container.
            Ok(Answer::Later | Answer::After(_)) => return,
            Ok(Answer::Now(payload)) => Response { status: None, payload },
            Err(error) => Response::failure(error.to_status()),
        };
        self.hub.respond(caller, &response);
    }

    fn call(&mut self, caller: Waiter, request: &Request) -> Result<Answer, Error> {
        if request.service == GROUP_SERVICE && request.method == JOIN_METHOD {
            return self.join(arguments(request)?).map(|response| now(&response));
        }
        if ![TASK_SERVICE_V2, TASK_SERVICE_V3].contains(&request.service.as_str()) {
            return Err(Error::NotThereYet { what: format!("service {}", request.service) });
        }
        // What has ended is known as ended, even when its signal comes in the same moment.
        self.reap();
        match request.method.as_str() {
            "Create" => self.create(arguments(request)?, caller),
            "Start" => self.ask_in_turn(request, caller, Container::start),
            "Exec" => self.ask_in_turn(request, caller, Container::exec),
            "Delete" => self.ask_in_turn(request, caller, |container, arguments, hub| {
                container.delete(arguments, caller, hub)
            }),
            "Wait" => {
                let (container, arguments, _) = self.addressed(request)?;
                container.wait(&arguments, caller)
            }
            "Kill" => {
                let (container, arguments, hub) = self.addressed(request)?;
                // Whatever is under way: it may be what shall end.
                container.check_room()?;
                let answer = container.kill(&arguments, hub)?;
                Ok(container.keep(Some(caller), answer))
            }
            "State" => self.ask(request, Container::state),
            "Pids" => self.ask(request, Container::pids),
            "Pause" => self.ask_in_turn(request, caller, Container::pause),
            "Resume" => self.ask_in_turn(request, caller, Container::resume),
            "Checkpoint" => self.ask_in_turn(request, caller, |container, arguments, hub| {
                container.checkpoint(arguments, hub).map(|response| now(&response))
            }),
            "ResizePty" => self.ask(request, Container::resize),
            "CloseIO" => self.ask(request, Container::close_io),
            "Update" => self.ask_in_turn(request, caller, Container::update),
            "Stats" => self.ask(request, Container::stats),
            "Connect" => self.ask(request, Container::connect),
            "Shutdown" => {
                self.shutdown(&arguments(request)?);
                Ok(now(&Empty))
            }
            other => Err(Error::NotThereYet { what: format!("method {other}") }),
        }
    }

    /// Has a container serve a call that it can answer at once.
    fn ask<M: Addressed, R: Message>(
        &mut self,
        request: &Request,
        method: fn(&mut Container, &M, &mut Hub) -> Result<R, Error>,
    ) -> Result<Answer, Error> {
        let (container, arguments, hub) = self.addressed(request)?;
        method(container, &arguments, hub).map(|response| now(&response))
    }

    /// Has a container serve a call that may take its time, when those before it are over.
    fn ask_in_turn<M: Addressed>(
        &mut self,
        request: &Request,
        caller: Waiter,
        method: impl FnOnce(&mut Container, &M, &mut Hub) -> Result<Answer, Error>,
    ) -> Result<Answer, Error> {
        let (container, arguments, hub) = self.addressed(request)?;
        if container.is_busy() {
            return container.queue(caller, request);
        }
        let answer = method(container, &arguments, hub)?;
        Ok(container.keep(Some(caller), answer))
    }

    /// The container that a call means, and the call.
    fn addressed<M: Addressed>(
        &mut self,
        request: &Request,
    ) -> Result<(&mut Container, M, &mut Hub), Error> {
        let arguments: M = arguments(request)?;
        let mut containers = self.containers.iter_mut();
        let container = containers
            .find(|container| container.id == arguments.id() && !container.deleted)
            .ok_or_else(|| Error::NoContainer(arguments.id().to_owned()))?;
        Ok((container, arguments, &mut self.hub))
    }
}
