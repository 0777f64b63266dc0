//! Create, Start and Delete of a container and its first process.

use super::{Answer, now};
use crate::container::Container;
use crate::ends::{OUTPUT_PATIENCE, answer_waiters};
use crate::error::{Error, complain, whole_text};
use crate::hub::Hub;
use crate::oom::OomWatch;
use crate::operation::Effect;
use crate::process::{Alive, Exit, Images, Leaving, Process, Stage, Waiter};
use crate::runtime::{self, Progress, Runtime};
use crate::server::{Server, listen};
use crate::sources;
use crate::streams::{Owner, PipesOwner, StdioUris, Streams};
use gantry_runtime::{RootfsMount, Started};
use gantry_shim_protocol::event::{TaskCreate, TaskDelete, TaskIo, TaskStart};
use gantry_shim_protocol::rpc::{Any, Response};
use gantry_shim_protocol::task::{
    CreateTaskRequest, CreateTaskResponse, DeleteRequest, DeleteResponse, Mount,
    RUNC_OPTIONS_TYPE_URL, RuncOptions, StartRequest, StartResponse,
};
use gantry_shim_protocol::wire::Message;
use gantry_shim_protocol::{ADDRESS_FILE, IO_SOCKET};
use std::path::PathBuf;

impl Server {
    /// Makes a container: the one this shim was started for, one that joined, or one that the caller
    /// puts here without a word before (as containerd does with the containers of a sandbox).
    pub(super) fn create(
        &mut self,
        request: CreateTaskRequest,
        caller: Waiter,
    ) -> Result<Answer, Error> {
        if self.is_ending() {
            return Err(Error::Ending);
        }
        sources::check(&request.rootfs, || self.hub.clients.process_of(caller))?;
        let index = self.place_for(&request)?;
        let container = &mut self.containers[index];
        let answer = container.create(request, &mut self.hub);
        let answer = answer.inspect_err(|_| container.forget_unannounced(&mut self.hub))?;
        Ok(container.keep(Some(caller), answer))
    }

    /// The container that a request to create means: known and without a task, or new.
    fn place_for(&mut self, request: &CreateTaskRequest) -> Result<usize, Error> {
        let bundle = PathBuf::from(&request.bundle);
        let mut containers = self.containers.iter();
        let known = containers.position(|it| it.id == request.id && !it.deleted);
        let Some(index) = known else {
            let mut container = Container::new(request.id.clone(), bundle)?;
            container.unannounced = true;
            self.listen_for(&mut container)?;
            self.containers.push(container);
            return Ok(self.containers.len() - 1);
        };
        let container = &mut self.containers[index];
        if container.holds_task() {
            return Err(Error::ContainerExists(request.id.clone()));
        }
        if !request.bundle.is_empty() && !container.is_at(&bundle) {
            let known = container.bundle.display();
            let reason = format!(
                "container {} has its bundle at {known}, not at {}",
                request.id, request.bundle
            );
            return Err(Error::Invalid { reason });
        }
        if container.io_listener().is_none() {
            let path = container.bundle.join(IO_SOCKET);
            container.listen(listen(&path)?, &mut self.hub.poller);
        }
        Ok(index)
    }

    /// Makes the bundle of a container that nobody announced usable for attachers and for a daemon that
    /// looks for its shim.
    fn listen_for(&mut self, container: &mut Container) -> Result<(), Error> {
        let config = container.bundle.join("config.json");
        if !config.is_file() {
            return Err(Error::NoBundle { bundle: container.bundle.clone() });
        }
        let path = container.bundle.join(ADDRESS_FILE);
        if !path.exists() {
            let address = format!("unix://{}", self.place.socket.display());
            std::fs::write(&path, address).map_err(Error::file("write", path))?;
        }
        let path = container.bundle.join(IO_SOCKET);
        container.listen(listen(&path)?, &mut self.hub.poller);
        Ok(())
    }
}

impl Container {
    fn create(&mut self, request: CreateTaskRequest, hub: &mut Hub) -> Result<Answer, Error> {
        let options = runc_options(request.options.as_ref())?;
        let mounts = rootfs_mounts(&request.rootfs)?;
        let namespace = hub.namespace.clone();
        let owner = runtime::Owner { namespace: &namespace, id: &self.id, bundle: &self.bundle };
        self.runtime = Runtime::choose(owner, &options)?;
        let asked_for = options.io_uid != 0 || options.io_gid != 0;
        self.pipes_owner =
            asked_for.then_some(PipesOwner { uid: options.io_uid, gid: options.io_gid });
        let uris = StdioUris {
            stdin: request.stdin.clone(),
            stdout: request.stdout.clone(),
            stderr: request.stderr.clone(),
            terminal: request.terminal,
        };
        let is_restore = !request.checkpoint.is_empty();
        if is_restore {
            self.runtime.check_restores()?;
        }
        let images =
            is_restore.then(|| Images::of(&request, &options, mounts.clone())).transpose()?;
        let owner = Owner {
            id: &self.id,
            namespace: &namespace,
            bundle: &self.bundle,
            pipes: self.pipes_owner,
        };
        let streams = Streams::open(&uris, owner, &mut hub.poller)?;
        self.processes.push(Process::new(String::new(), uris, Stage::Making, streams));
        self.when_logger_is_ready(hub, "", move |container, hub, ready| match (ready, images) {
            (Err(error), _) => container.give_up_making(error, hub),
            (Ok(()), Some(images)) => {
                container.adopt_images(images);
                publish_create(request, 0, hub);
                Ok(now(&CreateTaskResponse { pid: 0 }))
            }
            (Ok(()), None) => container.create_process(request, &mounts, hub),
        })
    }

    /// The container itself. Undone on failure.
    fn create_process(
        &mut self,
        request: CreateTaskRequest,
        mounts: &[RootfsMount],
        hub: &mut Hub,
    ) -> Result<Answer, Error> {
        let was_taken = self.runtime.is_taken();
        let owner =
            runtime::Owner { namespace: &hub.namespace, id: &self.id, bundle: &self.bundle };
        let process = self.processes.iter_mut().find(|process| process.is_in_making(""));
        let stdio = match process {
            Some(process) => process.streams.process_ends(&mut hub.poller),
            None => Err(Error::Ending),
        };
        let created = stdio.and_then(|stdio| self.runtime.create(owner, mounts, stdio));
        self.when_done(hub, (Effect::MakesProcess, created), move |container, hub, created| {
            match created.map(|started| container.adopt(started, hub)) {
                Ok(Ok(pid)) => {
                    publish_create(request, pid, hub);
                    container.watch_memory(pid, hub);
                    Ok(now(&CreateTaskResponse { pid }))
                }
                // A container that is there and cannot be used is as good as none.
                Ok(Err(error)) => {
                    let deleted = container.runtime.delete();
                    container.take_back(deleted, error, hub)
                }
                Err(error) => {
                    let taken_back = container.runtime.take_back(was_taken);
                    container.take_back(taken_back, error, hub)
                }
            }
        })
    }

    /// Takes note of the first process, and connects its terminal.
    fn adopt(&mut self, started: Started, hub: &mut Hub) -> Result<u32, Error> {
        let Started { pid, pidfd, terminal } = started;
        let pid = pid.unsigned_abs();
        let process = self.making("").ok_or(Error::Ending)?;
        if let Some(master) = terminal {
            process.streams.adopt_terminal(master, &mut hub.poller)?;
        }
        process.stage = Stage::Created(Alive { pid, pidfd });
        process.shares_pids = !is_first_of_namespace(pid);
        self.awaited_until = None;
        Ok(pid)
    }

    /// Tells why there is no container when the runtime has removed what there was of it.
    fn take_back(
        &mut self,
        taken_back: Result<Progress<()>, Error>,
        reason: Error,
        hub: &mut Hub,
    ) -> Result<Answer, Error> {
        // The first failure is the one to tell of.
        self.when_done(hub, (Effect::Other, taken_back), |container, hub, _| {
            container.give_up_making(reason, hub)
        })
    }

    fn give_up_making(&mut self, reason: Error, hub: &mut Hub) -> Result<Answer, Error> {
        self.unmake("", hub);
        self.forget_unannounced(hub);
        Err(reason)
    }

    /// Of a container that nobody announced nothing stays when it could not be created.
    fn forget_unannounced(&mut self, hub: &mut Hub) {
        if self.unannounced {
            self.stop_listening(&hub.poller);
            self.deleted = true;
        }
    }

    /// Without memory limits in force, or without a cgroup, a container is as good as any other.
    pub(super) fn watch_memory(&mut self, pid: u32, hub: &mut Hub) {
        if !hub.publisher.is_heard() {
            return;
        }
        let watch = self.runtime.cgroup(Some(pid)).and_then(|cgroup| {
            OomWatch::new(cgroup.directories(), &mut hub.poller)
                .map_err(Error::system("watch for a lack of memory"))
        });
        match watch {
            Ok(watch) => self.oom = watch,
            Err(error) => complain(&whole_text(&error)),
        }
    }

    pub(super) fn start(&mut self, request: &StartRequest, hub: &mut Hub) -> Result<Answer, Error> {
        let index = self.find(&request.exec_id)?;
        if !request.exec_id.is_empty() {
            return self.start_exec(index, hub);
        }
        if matches!(self.processes[index].stage, Stage::Checkpointed(_)) {
            return self.start_from_images(index, hub).map(|response| now(&response));
        }
        if !matches!(self.processes[index].stage, Stage::Created(_)) {
            self.processes[index].alive()?;
            return Err(Error::AlreadyStarted);
        }
        let started = self.runtime.start();
        self.when_done(hub, (Effect::StartsInit, started), |container, hub, started| {
            started?;
            let index = container.find("")?;
            let process = &mut container.processes[index];
            let pid = process.pid();
            // It may have ended already; that is told later.
            process.stage = match std::mem::replace(&mut process.stage, Stage::Making) {
                Stage::Created(alive) => Stage::Running(alive),
                other => other,
            };
            let event = TaskStart { container_id: container.id.clone(), pid };
            hub.publisher.publish(&event, &mut hub.poller);
            Ok(now(&StartResponse { pid }))
        })
    }

    /// Forgets a process, or everything. Answered when the process's logger has ended.
    pub(super) fn delete(
        &mut self,
        request: &DeleteRequest,
        caller: Waiter,
        hub: &mut Hub,
    ) -> Result<Answer, Error> {
        let index = self.find(&request.exec_id)?;
        if matches!(self.processes[index].stage, Stage::Running(_)) {
            return Err(Error::StillRunning);
        }
        let exec_id = request.exec_id.clone();
        if !exec_id.is_empty() {
            return self.delete_process(&exec_id, caller, hub);
        }
        let deleted = self.remove(hub);
        self.when_done(hub, (Effect::Other, deleted), move |container, hub, deleted| {
            deleted?;
            container.delete_process(&exec_id, caller, hub)
        })
    }

    /// The rest of Delete: of the first process when the container is gone.
    fn delete_process(
        &mut self,
        exec_id: &str,
        caller: Waiter,
        hub: &mut Hub,
    ) -> Result<Answer, Error> {
        let index = self.find(exec_id)?;
        if exec_id.is_empty() {
            self.is_removed(hub);
        }
        let stage = &self.processes[index].stage;
        if matches!(stage, Stage::Prepared(_) | Stage::Checkpointed(_)) {
            self.processes[index].streams.close(&hub.poller);
        }
        let exit = self.dismiss(index, hub);
        // As with containerd's own shim: of an exec nothing is told but its end.
        if exec_id.is_empty() {
            let event = TaskDelete {
                container_id: self.id.clone(),
                pid: exit.pid,
                exit_status: exit.status,
                exited_at: Some(exit.exited_at),
                id: String::new(),
            };
            hub.publisher.publish(&event, &mut hub.poller);
        }
        let response = DeleteResponse {
            pid: exit.pid,
            exit_status: exit.status,
            exited_at: Some(exit.exited_at),
        };
        let process = &mut self.processes[index];
        if process.streams.logger_runs() {
            let response = Response::success(&response);
            let patience = gantry_sys::clock::monotonic() + OUTPUT_PATIENCE;
            process.leaving = Some(Leaving { caller, response, patience });
            return Ok(Answer::Later);
        }
        Ok(now(&response))
    }

    /// Removes what the runtime made, and with it every process that is left.
    pub(super) fn remove(&mut self, hub: &mut Hub) -> Result<Progress<()>, Error> {
        if let Some(watch) = self.oom.take() {
            watch.release(&hub.poller);
        }
        self.runtime.delete()
    }

    /// Takes note of that. Of the processes all but the first are forgotten.
    pub(super) fn is_removed(&mut self, hub: &mut Hub) {
        // Those who were killed by this.
        self.reap_own();
        self.deleted = true;
        self.stop_listening(&hub.poller);
        for index in 0..self.processes.len() {
            let process = &mut self.processes[index];
            process.streams.drain(&mut hub.buffer, &hub.poller);
            process.streams.close(&hub.poller);
            if !process.is_init() {
                self.dismiss(index, hub);
            }
        }
    }

    /// Callers forget a process that does not run. Whoever still waits for it is told what they are.
    fn dismiss(&mut self, index: usize, hub: &mut Hub) -> Exit {
        self.tell_end(index, hub);
        let process = &mut self.processes[index];
        process.deleted = true;
        process.streams.forget(&hub.poller);
        let exit = process.exit().unwrap_or(Exit::never());
        // Of one that was never started.
        answer_waiters(process, exit, hub);
        exit
    }
}

fn publish_create(request: CreateTaskRequest, pid: u32, hub: &mut Hub) {
    let CreateTaskRequest {
        id, bundle, rootfs, terminal, stdin, stdout, stderr, checkpoint, ..
    } = request;
    let event = TaskCreate {
        container_id: id,
        bundle,
        rootfs,
        io: Some(TaskIo { stdin, stdout, stderr, terminal }),
        checkpoint,
        pid,
    };
    hub.publisher.publish(&event, &mut hub.poller);
}

impl Exit {
    /// Of a process that was never started.
    pub(crate) fn never() -> Self {
        Self { pid: 0, status: 0, exited_at: gantry_sys::clock::now() }
    }
}

/// Whether the kernel ends all others of a process's pid namespace with it. When that cannot be told they
/// are killed one by one.
pub(super) fn is_first_of_namespace(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let mut numbers = numbers.unwrap_or_default().split_whitespace();
    numbers.next().is_some() && numbers.next_back() == Some("1")
}

fn rootfs_mounts(mounts: &[Mount]) -> Result<Vec<RootfsMount>, Error> {
    let translate = |mount: &Mount| {
        if !mount.target.is_empty() {
            let what = format!("a root mount below the root, at {}", mount.target);
            return Err(Error::NotThereYet { what });
        }
        let Mount { kind, source, options, .. } = mount.clone();
        Ok(RootfsMount { kind, source, options })
    };
    mounts.iter().map(translate).collect()
}

/// What containerd's configuration says about the runtime. Options of other types are for other shims.
fn runc_options(options: Option<&Any>) -> Result<RuncOptions, Error> {
    match options.filter(|any| any.type_url == RUNC_OPTIONS_TYPE_URL) {
        Some(any) => Ok(RuncOptions::decode(&any.value)?),
        None => Ok(RuncOptions::default()),
    }
}
