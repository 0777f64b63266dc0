//! A container in namespaces of another one (`container:`): whose they are, and the way to them while that one runs.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_api::container::{CreateRequest, HostConfig};

use super::endpoints::{namespace_of, namespace_of_kind};
use super::shared_memory::{self, SHM, Staged};
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{Ipc, JoinedNamespaces, Network, Sharing, has_label_options, is_open, joined};
use crate::record::{ContainerRecord, State};
use crate::{Result, selinux};

/// What is joined: namespaces, held open, and the container with the names.
#[derive(Default)]
pub(super) struct Joined {
    network: Option<File>,
    pid: Option<File>,
    ipc: Option<File>,
    /// The `/dev/shm` that goes with the IPC namespace, and where it will be.
    shm: Option<(OwnedFd, PathBuf)>,
    /// Whose network it is.
    pub container: Option<String>,
}

impl Joined {
    /// Paths that mean the namespaces for other processes as long as this lives.
    pub(super) fn paths(&self) -> JoinedNamespaces {
        let path = |file: &Option<File>| {
            let number = file.as_ref()?.as_raw_fd();
            Some(format!("/proc/{}/fd/{number}", std::process::id()).into())
        };
        JoinedNamespaces {
            network: path(&self.network),
            pid: path(&self.pid),
            ipc: path(&self.ipc),
            shm: self.shm.as_ref().map(|(_, path)| path.clone()),
        }
    }

    /// Puts what is mounted while the container is made into its bundle.
    pub(super) fn stage(&self, bundle: &Path) -> Result<Option<Staged>> {
        self.shm.as_ref().map(|(tree, _)| shared_memory::stage(tree, bundle)).transpose()
    }
}

/// Names other containers by their ids, which stay when they are renamed, and takes over the host name that goes with
/// a network.
pub(super) fn complete(engine: &Engine, mut request: CreateRequest) -> Result<CreateRequest> {
    let host = &mut request.host_config;
    for (mode, what) in [(&mut host.pid_mode, "PID"), (&mut host.ipc_mode, "IPC")] {
        let Some(name) = joined(mode).filter(|name| !name.is_empty()) else { continue };
        let id = other(engine, name, what)?.id.to_string();
        *mode = format!("container:{id}");
    }
    share_labels(engine, host)?;
    let Some(name) = joined(&request.host_config.network_mode).filter(|name| !name.is_empty())
    else {
        return Ok(request);
    };
    if !request.config.hostname.is_empty() || !request.config.domainname.is_empty() {
        return Err(Error::invalid("conflicting options: hostname and the network mode"));
    }
    let other = other(engine, name, "network")?;
    let endpoints = &mut request.networking_config.endpoints_config;
    let settings = endpoints.remove(&request.host_config.network_mode);
    let mode = format!("container:{}", other.id);
    endpoints.extend(settings.map(|settings| (mode.clone(), settings)));
    request.host_config.network_mode = mode;
    let config = &other.plan.config;
    if other.plan.network != Network::Host {
        request.config.hostname.clone_from(&config.hostname);
        request.config.domainname.clone_from(&config.domainname);
    }
    Ok(request)
}

/// Who shares processes or memory with another container has its label, unless it has options of its own: else neither could touch what
/// they share.
fn share_labels(engine: &Engine, host: &mut HostConfig) -> Result<()> {
    if has_label_options(host) || is_open(host) {
        return Ok(());
    }
    let mut shared = Vec::new();
    for mode in [&host.pid_mode, &host.ipc_mode] {
        let Some(id) = joined(mode).filter(|id| !id.is_empty()) else { continue };
        let other = engine.snapshot(id)?.record;
        let options = selinux::of_process(&other.plan.security.selinux.process);
        if options.is_empty() {
            continue;
        }
        if !shared.is_empty() && shared != options {
            let why = "--ipc and --pid containers SELinux labels aren't the same";
            return Err(Error::invalid(why));
        }
        shared = options;
    }
    host.security_opt.extend(shared);
    Ok(())
}

/// The container whose namespace is asked for. That there is none is no 404, which would be the image's.
fn other(engine: &Engine, name: &str, what: &str) -> Result<Arc<ContainerRecord>> {
    let joins =
        |error: Error| Error::invalid(format!("joining {what} namespace of container: {error}"));
    Ok(engine.snapshot(name).map_err(joins)?.record)
}

/// The namespaces of other containers that this one joins.
pub(super) fn find(engine: &Engine, record: &ContainerRecord) -> Result<Joined> {
    let plan = &record.plan;
    let mut found = Joined::default();
    if let Some(id) =
        joined(&plan.host_config.network_mode).filter(|_| plan.network == Network::Container)
    {
        let other = engine.snapshot(id)?.record;
        let State::Running { pid, .. } = other.state else {
            return Err(Error::JoinsStopped { id: other.id.to_string() });
        };
        // It may share the host's.
        found.network = Some(namespace_of(pid, other.plan.network != Network::Host)?);
        found.container = Some(other.id.to_string());
    }
    if let Some(id) = joined(&plan.host_config.pid_mode).filter(|_| plan.pid == Sharing::Container)
    {
        let (other, pid) = running(engine, id, "PID")?;
        found.pid = Some(namespace_of_kind(pid, "pid", other.plan.pid == Sharing::Own)?);
    }
    if let Some(id) = joined(&plan.host_config.ipc_mode).filter(|_| plan.ipc == Ipc::Container) {
        let (other, pid) = running(engine, id, "IPC")?;
        if other.plan.ipc != Ipc::Shareable {
            return Err(Error::invalid(format!(
                "failed to join IPC namespace: container {}: non-shareable IPC (hint: use IpcMode:shareable for the \
                 donor container)",
                other.id
            )));
        }
        found.ipc = Some(namespace_of_kind(pid, "ipc", true)?);
        let place = engine.settings.bundle(record.id.as_str()).join(SHM);
        found.shm = Some((shared_memory::of_process(pid, other.id.as_str())?, place));
    }
    Ok(found)
}

/// The container of that id, and its first process.
fn running(engine: &Engine, id: &str, what: &'static str) -> Result<(Arc<ContainerRecord>, u32)> {
    let other = engine.snapshot(id)?.record;
    match other.state {
        State::Running { pid, .. } => Ok((other, pid)),
        _ => Err(Error::JoinsNamespaceOfStopped { what, id: other.id.to_string() }),
    }
}
