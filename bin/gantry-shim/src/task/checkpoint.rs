//! Checkpoint, and Create with a checkpoint: the container is restored when Start is called, as with containerd's own shim.

use super::container::is_first_of_namespace;
use crate::container::Container;
use crate::error::Error;
use crate::hub::Hub;
use crate::process::{Alive, Images, Stage};
use crate::runtime;
use gantry_runtime::{
    AfterDump, CgroupMode, CheckpointOptions, CriuOptions, RootfsMount, Switch, find_criu,
};
use gantry_shim_protocol::event::{TaskCheckpointed, TaskStart};
use gantry_shim_protocol::rpc::{Any, Empty};
use gantry_shim_protocol::task::{
    CHECKPOINT_OPTIONS_TYPE_URL, CheckpointOptions as Wanted, CheckpointTaskRequest,
    CreateTaskRequest, RuncOptions, StartResponse,
};
use gantry_shim_protocol::wire::Message;
use gantry_types::SEARCH_PATH;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

impl Container {
    pub(super) fn checkpoint(
        &mut self,
        request: &CheckpointTaskRequest,
        hub: &mut Hub,
    ) -> Result<Empty, Error> {
        self.check_running()?;
        let wanted = wanted(request.options.as_ref())?;
        let images = if wanted.image_path.is_empty() { &request.path } else { &wanted.image_path };
        let images = absolute("the checkpoint's path", images)?;
        let work = match wanted.work_path.as_str() {
            "" => None,
            path => Some(absolute("the work path", path)?),
        };
        let program = criu()?;
        let switches = switches(&wanted);
        let criu = CriuOptions {
            work_dir: work.as_deref(),
            switches: &switches,
            cgroups: cgroup_mode(&wanted.cgroups_mode)?,
            empty_network: empty_network(&wanted.empty_namespaces)?,
            ..CriuOptions::new(&program, &images)
        };
        let after = if wanted.exit { AfterDump::Kill } else { AfterDump::LeaveRunning };
        self.runtime.checkpoint(&CheckpointOptions { after, ..CheckpointOptions::new(criu) })?;
        let event = TaskCheckpointed {
            container_id: self.id.clone(),
            checkpoint: images.to_string_lossy().into_owned(),
        };
        hub.publisher.publish(&event, &mut hub.poller);
        Ok(Empty)
    }

    /// Notes down what Start restores.
    pub(super) fn adopt_images(&mut self, images: Images) {
        if let Some(process) = self.making("") {
            process.stage = Stage::Checkpointed(Box::new(images));
        }
        self.awaited_until = None;
    }

    /// The container, from its images, with its terminal connected. On failure it can be tried again.
    pub(super) fn start_from_images(
        &mut self,
        index: usize,
        hub: &mut Hub,
    ) -> Result<StartResponse, Error> {
        let process = &mut self.processes[index];
        let Stage::Checkpointed(images) = &process.stage else {
            return Err(Error::AlreadyStarted);
        };
        let program = criu()?;
        let criu = CriuOptions {
            work_dir: images.work.as_deref(),
            // What was written says what there is; none of these makes a restore do more than that.
            switches: &[Switch::TcpEstablished, Switch::ExternalUnixSockets, Switch::FileLocks],
            ..CriuOptions::new(&program, &images.directory)
        };
        let stdio = process.streams.process_ends(&mut hub.poller)?;
        let owner =
            runtime::Owner { namespace: &hub.namespace, id: &self.id, bundle: &self.bundle };
        let restored = self.runtime.restore(owner, &images.mounts, stdio, criu);
        // What the next attempt gets is made anew.
        let restored = restored.inspect_err(|_| process.streams.disconnect(&hub.poller))?;
        let pid = restored.pid.unsigned_abs();
        if let Some(master) = restored.terminal
            && let Err(error) = process.streams.adopt_terminal(master, &mut hub.poller)
        {
            // The first failure is the one to tell of.
            drop(self.runtime.delete());
            self.give_up(index, &error, hub);
            return Err(error);
        }
        process.stage = Stage::Running(Alive { pid, pidfd: restored.pidfd });
        process.shares_pids = !is_first_of_namespace(pid);
        self.watch_memory(pid, hub);
        let event = TaskStart { container_id: self.id.clone(), pid };
        hub.publisher.publish(&event, &mut hub.poller);
        Ok(StartResponse { pid })
    }
}

impl Images {
    /// From a request to create. Both paths have to be absolute.
    pub(super) fn of(
        request: &CreateTaskRequest,
        options: &RuncOptions,
        mounts: Vec<RootfsMount>,
    ) -> Result<Self, Error> {
        let work = Some(options.criu_work_path.as_str()).filter(|path| !path.is_empty());
        Ok(Self {
            directory: absolute("the checkpoint's path", &request.checkpoint)?,
            work: work.map(|path| absolute("criu's work path", path)).transpose()?,
            mounts,
        })
    }
}

/// The program, in the `PATH` that the shim was started with.
fn criu() -> Result<PathBuf, Error> {
    let search = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(SEARCH_PATH));
    find_criu(OsStr::new("criu"), &search).ok_or_else(|| Error::Invalid {
        reason: "checkpoint and restore need the program criu, and it is not in PATH: install the package criu".to_owned(),
    })
}

/// Without options of the known type a container is written and runs on.
fn wanted(options: Option<&Any>) -> Result<Wanted, Error> {
    match options.filter(|any| any.type_url == CHECKPOINT_OPTIONS_TYPE_URL) {
        Some(any) => Ok(Wanted::decode(&any.value)?),
        None => Ok(Wanted::default()),
    }
}

fn absolute(what: &str, path: &str) -> Result<PathBuf, Error> {
    if Path::new(path).is_absolute() {
        return Ok(path.into());
    }
    Err(Error::Invalid { reason: format!("{what} {path:?} is not absolute") })
}

fn switches(wanted: &Wanted) -> Vec<Switch> {
    let all = [
        (wanted.open_tcp, Switch::TcpEstablished),
        (wanted.external_unix_sockets, Switch::ExternalUnixSockets),
        (wanted.terminal, Switch::ShellJob),
        (wanted.file_locks, Switch::FileLocks),
    ];
    all.iter().filter(|(on, _)| *on).map(|(_, switch)| *switch).collect()
}

fn cgroup_mode(text: &str) -> Result<CgroupMode, Error> {
    Ok(match text {
        "" => CgroupMode::Default,
        "soft" => CgroupMode::Soft,
        "full" => CgroupMode::Full,
        "strict" => CgroupMode::Strict,
        "ignore" => CgroupMode::Ignore,
        other => {
            let reason = format!("the cgroups mode {other:?} is not soft, full, strict or ignore");
            return Err(Error::Invalid { reason });
        }
    })
}

fn empty_network(names: &[String]) -> Result<bool, Error> {
    match names.iter().find(|name| *name != "network") {
        Some(other) => Err(Error::Invalid {
            reason: format!("of namespaces the network's alone can stay empty, not {other:?}"),
        }),
        None => Ok(!names.is_empty()),
    }
}
