//! What a container waits for while the loop goes on: another runtime's program, or a logger that is not
//! ready. The call that began it is answered when it is over. Later ones that the runtime has a part in
//! wait behind it, in their order; questions and signals do not.

use crate::container::Container;
use crate::error::Error;
use crate::hub::Hub;
use crate::process::Waiter;
use crate::runtime::{Invocation, Progress};
use crate::server::earlier;
use crate::task::Answer;
use gantry_shim_protocol::rpc::{Request, Response};
use std::time::Duration;

/// More than this cannot be under way, or wait, in one container.
const MAX_UNDER_WAY: usize = 64;

/// What is awaited, and what then.
pub(crate) struct Operation {
    /// `None`: nobody asked.
    caller: Option<Waiter>,
    awaited: Awaited,
    effect: Effect,
    then: Then,
}

enum Awaited {
    Program(Invocation),
    /// The logger of this process.
    Logger {
        exec_id: String,
    },
}

/// What the program does, as far as others have to know meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It makes a process that will be our child: its number is not known yet.
    MakesProcess,
    /// It lets the first process run: of its end nobody hears before its start.
    StartsInit,
    Other,
}

type Then = Box<dyn FnOnce(&mut Container, &mut Hub, Result<(), Error>) -> Result<Answer, Error>>;

impl Operation {
    fn is_over(&self, container: &Container) -> bool {
        match &self.awaited {
            Awaited::Program(invocation) => invocation.has_ended(),
            Awaited::Logger { exec_id } => container.logger_is_decided(exec_id),
        }
    }

    fn invocation(&mut self) -> Option<&mut Invocation> {
        match &mut self.awaited {
            Awaited::Program(invocation) => Some(invocation),
            Awaited::Logger { .. } => None,
        }
    }
}

impl Container {
    /// Goes on with `then` when the runtime has done its part: often at once.
    pub(crate) fn when_done<T: 'static>(
        &mut self,
        hub: &mut Hub,
        (effect, progress): (Effect, Result<Progress<T>, Error>),
        then: impl FnOnce(&mut Self, &mut Hub, Result<T, Error>) -> Result<Answer, Error> + 'static,
    ) -> Result<Answer, Error> {
        match progress {
            Ok(Progress::Done(value)) => then(self, hub, Ok(value)),
            Err(error) => then(self, hub, Err(error)),
            Ok(Progress::Running(invocation, finish)) => Ok(Answer::After(Box::new(Operation {
                caller: None,
                awaited: Awaited::Program(invocation),
                effect,
                then: Box::new(move |container, hub, ended| then(container, hub, finish(ended))),
            }))),
        }
    }

    /// Goes on with `then` when the logger of a process is ready, or was refused.
    pub(crate) fn when_logger_is_ready(
        &mut self,
        hub: &mut Hub,
        exec_id: &str,
        then: impl FnOnce(&mut Self, &mut Hub, Result<(), Error>) -> Result<Answer, Error> + 'static,
    ) -> Result<Answer, Error> {
        if self.logger_is_decided(exec_id) {
            let outcome = self.logger_outcome(exec_id);
            return then(self, hub, outcome);
        }
        Ok(Answer::After(Box::new(Operation {
            caller: None,
            awaited: Awaited::Logger { exec_id: exec_id.to_owned() },
            effect: Effect::Other,
            then: Box::new(then),
        })))
    }

    /// Has an operation that nobody waits for go on by itself.
    pub(crate) fn go_on(&mut self, progress: Progress<()>) {
        if let Progress::Running(invocation, finish) = progress {
            self.operations.push(Operation {
                caller: None,
                awaited: Awaited::Program(invocation),
                effect: Effect::Other,
                // There is nobody to be told.
                then: Box::new(|_, _, ended| {
                    drop(finish(ended));
                    Ok(Answer::Later)
                }),
            });
        }
    }

    /// Keeps an answer that has to wait.
    pub(crate) fn keep(&mut self, caller: Option<Waiter>, answer: Answer) -> Answer {
        match answer {
            Answer::After(mut operation) => {
                operation.caller = caller;
                self.operations.push(*operation);
                Answer::Later
            }
            other => other,
        }
    }

    /// Whether the runtime, or a logger, has something under way here.
    pub(crate) fn is_busy(&self) -> bool {
        !self.operations.is_empty()
    }

    /// Refuses more than a container can have at a time.
    pub(crate) fn check_room(&self) -> Result<(), Error> {
        if self.operations.len() + self.queue.len() < MAX_UNDER_WAY {
            return Ok(());
        }
        Err(Error::TooMany { what: "calls under way for one container", limit: MAX_UNDER_WAY })
    }

    /// Has a call wait until nothing is under way here.
    pub(crate) fn queue(&mut self, caller: Waiter, request: &Request) -> Result<Answer, Error> {
        self.check_room()?;
        self.queue.push_back((caller, request.clone()));
        Ok(Answer::Later)
    }

    /// The next call that waited, when it is its turn.
    pub(crate) fn next_queued(&mut self) -> Option<(Waiter, Request)> {
        if self.is_busy() { None } else { self.queue.pop_front() }
    }

    /// Whether a child that nobody knows may be one of this container's soon.
    pub(crate) fn is_making_process(&self) -> bool {
        self.operations.iter().any(|operation| operation.effect == Effect::MakesProcess)
    }

    /// Whether the first process may run, and its start is not told.
    pub(crate) fn is_starting(&self) -> bool {
        self.operations.iter().any(|operation| operation.effect == Effect::StartsInit)
    }

    /// The programs under way.
    pub(crate) fn invocations(&mut self) -> impl Iterator<Item = &mut Invocation> {
        self.operations.iter_mut().filter_map(Operation::invocation)
    }

    /// Goes on with what is over; true when there was something. Programs that take too long are ended.
    pub(crate) fn advance(&mut self, hub: &mut Hub) -> bool {
        let over = |operation: &Operation| operation.is_over(self);
        let Some(index) = self.operations.iter().position(over) else { return false };
        self.conclude(index, hub);
        true
    }

    /// The time until something under way has taken too long, or can go on.
    pub(crate) fn tend_operations(&mut self, now: Duration) -> Option<Duration> {
        let next =
            self.invocations().fold(None, |next, invocation| earlier(next, invocation.tend(now)));
        let is_over = self.operations.iter().any(|operation| operation.is_over(self));
        if is_over { Some(Duration::ZERO) } else { next }
    }

    /// Ends all that is under way, with all that follows from it, and refuses what waits.
    pub(crate) fn abort(&mut self, hub: &mut Hub) {
        while let Some((caller, _)) = self.queue.pop_front() {
            hub.respond(caller, &Response::failure(Error::Ending.to_status()));
        }
        self.invocations().for_each(Invocation::end);
        while let Some(operation) = self.operations.last_mut() {
            match &mut operation.awaited {
                Awaited::Program(invocation) => invocation.wait(),
                Awaited::Logger { exec_id } => {
                    let exec_id = exec_id.clone();
                    self.refuse_logger(&exec_id);
                }
            }
            self.conclude(self.operations.len() - 1, hub);
        }
    }

    fn conclude(&mut self, index: usize, hub: &mut Hub) {
        let Operation { caller, awaited, then, .. } = self.operations.remove(index);
        let outcome = match awaited {
            Awaited::Program(invocation) => invocation.outcome(),
            Awaited::Logger { exec_id } => self.logger_outcome(&exec_id),
        };
        let response = match then(self, hub, outcome).map(|answer| self.keep(caller, answer)) {
            Ok(Answer::Now(payload)) => Response { status: None, payload },
            Ok(Answer::Later | Answer::After(_)) => return,
            Err(error) => Response::failure(error.to_status()),
        };
        if let Some(caller) = caller {
            hub.respond(caller, &response);
        }
    }
}
