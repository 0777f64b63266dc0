//! A container in another one's network namespace (`container:`): whose it is, and the way to it while that one runs.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use gantry_api::container::CreateRequest;

use super::endpoints::namespace_of;
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{Network, joined};
use crate::record::{ContainerRecord, State};

/// Where the joined network is: its namespace, held open, and the container with its names.
pub(super) struct Joined {
    namespace: File,
    pub container: String,
}

impl Joined {
    /// A path that means the namespace for other processes as long as this lives.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd()).into()
    }
}

/// Names the other container by its id, which stays when it is renamed, and takes over its host name.
pub(super) fn complete(engine: &Engine, mut request: CreateRequest) -> Result<CreateRequest> {
    let Some(name) = joined(&request.host_config.network_mode).filter(|name| !name.is_empty())
    else {
        return Ok(request);
    };
    if !request.config.hostname.is_empty() || !request.config.domainname.is_empty() {
        return Err(Error::invalid("conflicting options: hostname and the network mode"));
    }
    // Not a 404, which would be the image's.
    let joins =
        |error: Error| Error::invalid(format!("joining network namespace of container: {error}"));
    let other = engine.snapshot(name).map_err(joins)?.record;
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

/// The network of the container that this one joins; `None` when it has its own.
pub(super) fn find(engine: &Engine, record: &ContainerRecord) -> Result<Option<Joined>> {
    let plan = &record.plan;
    let Some(id) =
        joined(&plan.host_config.network_mode).filter(|_| plan.network == Network::Container)
    else {
        return Ok(None);
    };
    let other = engine.snapshot(id)?.record;
    let State::Running { pid, .. } = other.state else {
        return Err(Error::JoinsStopped { id: other.id.to_string() });
    };
    // It may share the host's.
    let namespace = namespace_of(pid, other.plan.network != Network::Host)?;
    Ok(Some(Joined { namespace, container: other.id.to_string() }))
}
