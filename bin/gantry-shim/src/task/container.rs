//! Create, Start and Delete of the container and its first process, and the end of the shim.

use crate::error::{Error, complain, whole_text};
use crate::oom::OomWatch;
use crate::process::{Alive, Exit, Process, Stage};
use crate::server::Server;
use crate::streams::{StdioUris, Streams};
use gantry_runtime::{CreateFlags, CreateOptions, DeleteMode, Rootfs, RootfsMount};
use gantry_shim_protocol::event::{TaskCreate, TaskDelete, TaskIo, TaskStart};
use gantry_shim_protocol::rpc::Any;
use gantry_shim_protocol::task::{
    CreateTaskRequest, CreateTaskResponse, DeleteRequest, DeleteResponse, Mount,
    RUNC_OPTIONS_TYPE_URL, RuncOptions, ShutdownRequest, StartRequest, StartResponse,
};
use gantry_shim_protocol::wire::Message;
use gantry_types::ErrorKind;

impl Server {
    pub(super) fn create(
        &mut self,
        request: CreateTaskRequest,
    ) -> Result<CreateTaskResponse, Error> {
        self.check_id(&request.id)?;
        if self.find(&request.id, "").is_ok() {
            return Err(Error::ContainerExists(request.id));
        }
        if !request.checkpoint.is_empty() {
            return Err(Error::NotThereYet { what: "restoring a checkpoint".to_owned() });
        }
        let flags = create_flags(request.options.as_ref())?;
        let mounts = rootfs_mounts(&request.rootfs)?;
        let uris = StdioUris {
            stdin: request.stdin.clone(),
            stdout: request.stdout.clone(),
            stderr: request.stderr.clone(),
            terminal: request.terminal,
        };
        let mut streams = Streams::open(&uris, &mut self.poller)?;
        let created = self.create_container(&mut streams, flags, &mounts);
        let alive = created.inspect_err(|_| streams.close(&self.poller))?;
        let pid = alive.pid;
        self.processes.push(Process {
            exec_id: String::new(),
            uris,
            stage: Stage::Created(alive),
            streams,
            waiters: Vec::new(),
            deleted: false,
        });
        self.publish_create(request, pid);
        self.watch_memory();
        Ok(CreateTaskResponse { pid })
    }

    /// The container, with its terminal connected. Undone on failure.
    fn create_container(
        &mut self,
        streams: &mut Streams,
        flags: CreateFlags,
        mounts: &[RootfsMount],
    ) -> Result<Alive, Error> {
        let state_dir = self.runtime_dir();
        let rootfs = if mounts.is_empty() { Rootfs::FromSpec } else { Rootfs::Mounts(mounts) };
        let created = gantry_runtime::create(&CreateOptions {
            rootfs,
            stdio: streams.process_ends(&mut self.poller)?,
            flags,
            ..CreateOptions::new(&self.identity.id, &self.identity.bundle, &state_dir)
        })?;
        if let Some(master) = created.terminal
            && let Err(error) = streams.adopt_terminal(master, &mut self.poller)
        {
            // The first failure is the one to tell of.
            drop(gantry_runtime::delete(&state_dir, DeleteMode::Force));
            return Err(error);
        }
        Ok(Alive { pid: created.pid.unsigned_abs(), pidfd: created.pidfd })
    }

    /// Without memory limits in force, or without a cgroup, a container is as good as any other.
    fn watch_memory(&mut self) {
        if !self.publisher.is_heard() {
            return;
        }
        let watch =
            gantry_runtime::cgroup(&self.runtime_dir()).map_err(Error::from).and_then(|cgroup| {
                OomWatch::new(cgroup.directories(), &mut self.poller)
                    .map_err(Error::system("watch for a lack of memory"))
            });
        match watch {
            Ok(watch) => self.oom = watch,
            Err(error) => complain(&whole_text(&error)),
        }
    }

    fn publish_create(&mut self, request: CreateTaskRequest, pid: u32) {
        let CreateTaskRequest { id, bundle, rootfs, terminal, stdin, stdout, stderr, .. } = request;
        let event = TaskCreate {
            container_id: id,
            bundle,
            rootfs,
            io: Some(TaskIo { stdin, stdout, stderr, terminal }),
            checkpoint: String::new(),
            pid,
        };
        self.publisher.publish(&event, &mut self.poller);
    }

    pub(super) fn start(&mut self, request: &StartRequest) -> Result<StartResponse, Error> {
        let index = self.find(&request.id, &request.exec_id)?;
        if !request.exec_id.is_empty() {
            return self.start_exec(index);
        }
        if !matches!(self.processes[index].stage, Stage::Created(_)) {
            self.processes[index].alive()?;
            return Err(Error::AlreadyStarted);
        }
        match gantry_runtime::start(&self.runtime_dir()) {
            // The program runs; by the specification such a hook is worth a warning.
            Err(error @ gantry_runtime::Error::Hook { .. }) => {
                complain(&whole_text(&error));
            }
            other => other?,
        }
        let process = &mut self.processes[index];
        let pid = process.pid();
        if let Stage::Created(alive) =
            std::mem::replace(&mut process.stage, Stage::Exited(Exit::never()))
        {
            process.stage = Stage::Running(alive);
        }
        let event = TaskStart { container_id: request.id.clone(), pid };
        self.publisher.publish(&event, &mut self.poller);
        Ok(StartResponse { pid })
    }

    pub(super) fn delete(&mut self, request: &DeleteRequest) -> Result<DeleteResponse, Error> {
        let index = self.find(&request.id, &request.exec_id)?;
        if matches!(self.processes[index].stage, Stage::Running(_)) {
            return Err(Error::StillRunning);
        }
        if request.exec_id.is_empty() {
            self.delete_container(index)?;
        }
        self.tell_end(index);
        let process = &mut self.processes[index];
        process.deleted = true;
        if matches!(process.stage, Stage::Prepared(_)) {
            process.streams.close(&self.poller);
        }
        let exit = process.exit().unwrap_or(Exit::never());
        let name = if request.exec_id.is_empty() { &request.id } else { &request.exec_id };
        let event = TaskDelete {
            container_id: request.id.clone(),
            pid: exit.pid,
            exit_status: exit.status,
            exited_at: Some(exit.exited_at),
            id: name.clone(),
        };
        self.publisher.publish(&event, &mut self.poller);
        Ok(DeleteResponse {
            pid: exit.pid,
            exit_status: exit.status,
            exited_at: Some(exit.exited_at),
        })
    }

    /// Removes what the runtime made, and with it every process that is left.
    fn delete_container(&mut self, index: usize) -> Result<(), Error> {
        if let Some(watch) = self.oom.take() {
            watch.release(&self.poller);
        }
        match gantry_runtime::delete(&self.runtime_dir(), DeleteMode::Force) {
            // Somebody was here before; the goal is reached.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
        // Those who were killed by this.
        self.reap();
        for at in 0..self.processes.len() {
            let process = &mut self.processes[at];
            process.streams.drain(&mut self.buffer, &self.poller);
            process.streams.close(&self.poller);
            if at != index {
                self.tell_end(at);
                self.processes[at].deleted = true;
            }
        }
        Ok(())
    }

    /// Ends the shim unless it still has a container.
    pub(super) fn shutdown(&mut self, request: &ShutdownRequest) {
        let holds_task = self.processes.iter().any(|process| !process.deleted);
        if request.now || !holds_task {
            self.end();
        }
    }
}

impl Exit {
    /// Of a process that was never started.
    pub(crate) fn never() -> Self {
        Self { pid: 0, status: 0, exited_at: gantry_sys::clock::now() }
    }
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

/// What containerd's configuration says about the runtime.
fn create_flags(options: Option<&Any>) -> Result<CreateFlags, Error> {
    let Some(any) = options.filter(|any| any.type_url == RUNC_OPTIONS_TYPE_URL) else {
        return Ok(CreateFlags::default());
    };
    let options = RuncOptions::decode(&any.value)?;
    if !options.binary_name.is_empty() {
        let what = format!("running another runtime ({})", options.binary_name);
        return Err(Error::NotThereYet { what });
    }
    Ok(CreateFlags {
        no_pivot: options.no_pivot_root,
        no_new_keyring: options.no_new_keyring,
        systemd_cgroup: options.systemd_cgroup,
    })
}
