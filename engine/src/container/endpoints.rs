//! A container's places in its networks: taken before it is made, plugged in when it has a namespace, given back when it has ended.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use gantry_network::{Endpoint, EndpointWish};
use gantry_types::EndpointId;

use crate::engine::Engine;
use crate::error::Error;
use crate::record::ContainerRecord;
use crate::rollback::Rollback;
use crate::{Result, plan, random};

/// Chooses addresses and takes the host's ports.
pub(super) fn take(
    engine: &Engine,
    record: &ContainerRecord,
    rollback: &mut Rollback,
) -> Result<Vec<Endpoint>> {
    let mut ports = plan::ports(&record.plan.config, &record.plan.host_config)?;
    let mut endpoints = Vec::with_capacity(record.plan.endpoints.len());
    let mut way_out = None;
    for (number, asked) in record.plan.endpoints.iter().enumerate() {
        if !engine.networks.find(&asked.network)?.internal {
            way_out.get_or_insert(number);
        }
    }
    for (number, asked) in record.plan.endpoints.iter().enumerate() {
        let is_way_out = way_out == Some(number);
        let wish = EndpointWish {
            address: asked.address,
            mac: asked.mac,
            ports: if is_way_out { std::mem::take(&mut ports) } else { Vec::new() },
        };
        let id = EndpointId::from_bytes(random::bytes()?);
        let endpoint = engine.networks.allocate(id, &asked.network, &wish)?;
        let undo = (engine.clone(), endpoint.clone());
        rollback.on_failure(move || undo.0.networks.release(&undo.1));
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

/// Makes the devices in the namespace of a process that waits at its gate.
pub(super) fn plug_in(engine: &Engine, endpoints: &[Endpoint], pid: u32) -> Result<()> {
    if endpoints.is_empty() {
        return Ok(());
    }
    let namespace = namespace_of(pid)?;
    // As in `take`: internal networks have no gateway.
    let way_out = endpoints.iter().position(|endpoint| endpoint.gateway.is_some());
    for (number, endpoint) in endpoints.iter().enumerate() {
        let name = format!("eth{number}");
        engine.networks.plug(endpoint, namespace.as_fd(), &name, way_out == Some(number))?;
    }
    Ok(())
}

/// The network namespace of a process that lives and has one of its own: a container's device in the daemon's would be the host's.
fn namespace_of(pid: u32) -> Result<File> {
    let path = format!("/proc/{pid}/ns/net");
    let own = "/proc/self/ns/net";
    let failed = |source| Error::file("find the process of", &path)(source);
    let number = i32::try_from(pid).map_err(|_| failed(io::ErrorKind::InvalidInput.into()))?;
    let pidfd = gantry_sys::pidfd::open(number).map_err(failed)?;
    let namespace = File::open(&path).map_err(Error::file("open", &path))?;
    // By now another process could have the number.
    if gantry_sys::pidfd::has_ended(pidfd.as_fd()).map_err(failed)? {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    let there = namespace.metadata().map_err(Error::file("examine", &path))?;
    let here = fs::metadata(own).map_err(Error::file("examine", own))?;
    if (there.dev(), there.ino()) == (here.dev(), here.ino()) {
        let reason = io::Error::other("it is the daemon's own");
        return Err(Error::file("use the network namespace", path)(reason));
    }
    Ok(namespace)
}

/// Gives back what a run had.
pub(super) fn give_back(engine: &Engine, record: &ContainerRecord) {
    for endpoint in &record.endpoints {
        engine.networks.release(endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_s_own_namespace_is_no_container_s() {
        let error = namespace_of(std::process::id()).unwrap_err();
        assert!(gantry_types::error_chain(&error).contains("the daemon's own"), "{error}");
        namespace_of(u32::MAX).unwrap_err();
    }
}
