//! A container's places in its networks: taken before it is made, plugged in when it has a namespace, given back when it has ended.
//! What changes while it runs is in `connections`.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use gantry_network::{Endpoint, EndpointWish, Network, PlugOptions};
use gantry_types::EndpointId;

use super::{connections, names};
use crate::engine::Engine;
use crate::error::Error;
use crate::events::{Event, Kind};
use crate::plan::{ContainerPlan, EndpointPlan};
use crate::record::ContainerRecord;
use crate::rollback::Rollback;
use crate::{Result, plan, random};

/// Writes the whole id for the beginning of one, which could begin another network's later.
pub(super) fn complete(engine: &Engine, plan: &mut ContainerPlan) {
    for asked in &mut plan.endpoints {
        if let Ok(network) = engine.networks.find(&asked.network)
            && network.name != asked.network
        {
            asked.network = network.id.to_string();
        }
    }
}

/// Chooses addresses and takes the host's ports; the best way out comes first, and the devices are named in this order.
pub(super) fn take(
    engine: &Engine,
    record: &ContainerRecord,
    rollback: &mut Rollback,
) -> Result<Vec<Endpoint>> {
    let mut ports = plan::ports(&record.plan.config, &record.plan.host_config)?;
    let mut asked: Vec<(Rank, &EndpointPlan, Network)> =
        Vec::with_capacity(record.plan.endpoints.len());
    for endpoint in &record.plan.endpoints {
        let network = engine.networks.find(&endpoint.network)?;
        // By its name and by its id; that a name means it may have come about later.
        if asked.iter().any(|(.., other)| other.id == network.id) {
            let (container, network) = (record.name.to_string(), network.name);
            return Err(Error::EndpointExists { container, network });
        }
        asked.push((rank(endpoint, &network), endpoint, network));
    }
    asked.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let way_out = asked.iter().position(|(.., network)| leads_out(network));
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(asked.len());
    for (number, (_, endpoint, network)) in asked.iter().enumerate() {
        let is_way_out = way_out == Some(number);
        let wanted = if is_way_out { std::mem::take(&mut ports) } else { Vec::new() };
        let wish = EndpointWish { ports: wanted, ..wish(record, endpoint, network) };
        let mut taken = engine.networks.allocate(new_id()?, network.id.as_str(), &wish)?;
        let undo = (engine.clone(), taken.clone());
        rollback.on_failure(move || undo.0.networks.release(&undo.1));
        taken.device = device(&endpoints, endpoint, network)?;
        endpoints.push(taken);
        if network.asks_plugin() {
            // At once: the next network's plugin may take its time.
            connections::note_start(engine, record, &endpoints)?;
        }
    }
    Ok(endpoints)
}

/// Docker's order: by priority, then whoever leads out, then whoever does so for both families, then by name.
type Rank = (Reverse<i64>, bool, bool, String);

pub(super) fn rank(asked: &EndpointPlan, network: &Network) -> Rank {
    let priority = Reverse(asked.settings.gw_priority);
    let is_dual = network.ipv4.is_some() && network.ipv6.is_some();
    (priority, !leads_out(network), !is_dual, network.name.clone())
}

pub(super) fn leads_out(network: &Network) -> bool {
    let has_gateway4 = || network.subnets4().any(|it| it.way_out().is_some());
    let has_gateway6 = || network.subnets6().any(|it| it.way_out().is_some());
    !network.internal && (has_gateway4() || has_gateway6())
}

/// What a container asks of a network, but for its ports.
pub(super) fn wish(
    record: &ContainerRecord,
    asked: &EndpointPlan,
    network: &Network,
) -> EndpointWish {
    let earlier = record.earlier_endpoints.iter().find(|it| it.network_id == network.id);
    EndpointWish {
        address: asked.address,
        address6: asked.address6,
        earlier: earlier.and_then(Endpoint::address4),
        earlier6: earlier.and_then(Endpoint::address6),
        mac: asked.mac,
        ports: Vec::new(),
    }
}

/// The name of a new device: the one that was asked for, else the first number that none of the others has.
pub(super) fn device(
    others: &[Endpoint],
    asked: &EndpointPlan,
    network: &Network,
) -> Result<String> {
    let is_taken = |name: &str| others.iter().any(|other| other.device == name);
    if let Some(name) = &asked.options.device {
        if is_taken(name) {
            let network = &network.name;
            return Err(Error::invalid(format!(
                "the interface name {name} for the network {network} is taken by another network"
            )));
        }
        return Ok(name.clone());
    }
    let prefix = network.interface_prefix();
    let mut names = (0_u32..).map(|number| format!("{prefix}{number}"));
    Ok(names.find(|name| !is_taken(name)).unwrap_or_default())
}

pub(super) fn new_id() -> Result<EndpointId> {
    Ok(EndpointId::from_bytes(random::bytes()?))
}

/// The endpoints by which a container's packets go out, for each family. They come in the order of [`take`].
pub(super) fn ways_out(endpoints: &[Endpoint]) -> [Option<&Endpoint>; 2] {
    let gateway4 = |it: &&Endpoint| it.ipv4.is_some_and(|place| place.gateway.is_some());
    let gateway6 = |it: &&Endpoint| it.ipv6.is_some_and(|place| place.gateway.is_some());
    [endpoints.iter().find(gateway4), endpoints.iter().find(gateway6)]
}

/// What is asked of the network that an endpoint is in.
pub(super) fn asked_of<'a>(
    record: &'a ContainerRecord,
    endpoint: &Endpoint,
) -> Option<&'a EndpointPlan> {
    record.plan.endpoints.iter().find(|asked| is_of(asked, endpoint))
}

/// Whether what was asked means the network of this endpoint.
pub(super) fn is_of(asked: &EndpointPlan, endpoint: &Endpoint) -> bool {
    asked.network == endpoint.network_name || asked.network == endpoint.network_id.as_str()
}

/// Makes the devices in the namespace of a process that waits at its gate.
pub(super) fn plug_in(
    engine: &Engine,
    record: &ContainerRecord,
    (endpoints, pid): (&[Endpoint], u32),
    rollback: &mut Rollback,
) -> Result<()> {
    if endpoints.is_empty() {
        return Ok(());
    }
    let namespace = Arc::new(namespace_of(pid, true)?);
    let undo = (engine.clone(), endpoints.to_vec(), Arc::clone(&namespace));
    rollback.on_failure(move || {
        for endpoint in &undo.1 {
            unplug(&undo.0, endpoint, undo.2.as_fd());
        }
    });
    let [way4, way6] = ways_out(endpoints).map(|way| way.map(|it| it.id.clone()));
    for endpoint in endpoints {
        let leads_out4 = way4.as_ref() == Some(&endpoint.id);
        let leads_out6 = way6.as_ref() == Some(&endpoint.id);
        let asked = asked_of(record, endpoint);
        let options = PlugOptions { leads_out4, leads_out6, ..own_options(asked, endpoint) };
        engine.networks.plug(endpoint, namespace.as_fd(), &options)?;
    }
    let record = ContainerRecord { endpoints: endpoints.to_vec(), ..record.clone() };
    // The files were there before the process.
    names::serve(engine, &record, Some(pid))?;
    for endpoint in endpoints {
        tell(engine, &record, endpoint, "connect");
    }
    Ok(())
}

/// Takes away a device that was made in vain. The kernel would do so some time after its namespace has gone, and whoever hears of the
/// failure could still see it.
pub(super) fn unplug(engine: &Engine, endpoint: &Endpoint, namespace: BorrowedFd<'_>) {
    if let Err(error) = engine.networks.unplug(endpoint, namespace) {
        let (error, device) = (gantry_types::error_chain(&error), &endpoint.device);
        tracing::warn!(error, device, "cannot take away a device");
    }
}

/// What the user says of one device.
pub(super) fn own_options(asked: Option<&EndpointPlan>, endpoint: &Endpoint) -> PlugOptions {
    let Some(asked) = asked else { return PlugOptions::default() };
    PlugOptions {
        sysctls: asked.options.sysctls_of(&endpoint.device),
        link_local: asked.link_local.clone(),
        ..PlugOptions::default()
    }
}

/// Called whenever a container's endpoints have changed: with the process in its namespace, or without one when the container has ended
/// and gives back what it had.
pub(super) fn changed(engine: &Engine, record: &ContainerRecord, pid: Option<u32>) -> Result<()> {
    names::follow(engine, record, pid)
}

/// Tells everybody that a container came to a network, or left it.
pub(super) fn tell(
    engine: &Engine,
    record: &ContainerRecord,
    endpoint: &Endpoint,
    action: &'static str,
) {
    let kind = engine.networks.find(endpoint.network_id.as_str());
    let event = Event::new(Kind::Network, action, endpoint.network_id.to_string())
        .with("container", record.id.to_string())
        .with("name", endpoint.network_name.clone())
        .with("type", kind.map(|network| network.driver.name().to_owned()).unwrap_or_default());
    engine.events.tell(event);
}

/// The network namespace of a process that lives. With `is_own`, it has one of its own: a container's device in the daemon's would be the
/// host's.
pub(super) fn namespace_of(pid: u32, is_own: bool) -> Result<File> {
    namespace_of_kind(pid, "net", is_own)
}

/// The same for a namespace of any kind, by its name in `/proc/<pid>/ns`.
pub(super) fn namespace_of_kind(pid: u32, kind: &str, is_own: bool) -> Result<File> {
    let path = format!("/proc/{pid}/ns/{kind}");
    let own = format!("/proc/self/ns/{kind}");
    let failed = |source| Error::file("find the process of", &path)(source);
    let number = i32::try_from(pid).map_err(|_| failed(io::ErrorKind::InvalidInput.into()))?;
    let pidfd = gantry_sys::pidfd::open(number).map_err(failed)?;
    let namespace = File::open(&path).map_err(Error::file("open", &path))?;
    // By now another process could have the number.
    if gantry_sys::pidfd::has_ended(pidfd.as_fd()).map_err(failed)? {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    let there = namespace.metadata().map_err(Error::file("examine", &path))?;
    let here = fs::metadata(&own).map_err(Error::file("examine", &own))?;
    if is_own && (there.dev(), there.ino()) == (here.dev(), here.ino()) {
        let reason = io::Error::other("it is the daemon's own");
        return Err(Error::file("use the namespace", path)(reason));
    }
    Ok(namespace)
}

/// Gives back what a run had.
pub(super) fn give_back(engine: &Engine, record: &ContainerRecord) {
    if let Err(error) = changed(engine, record, None) {
        let error = gantry_types::error_chain(&error);
        tracing::warn!(error, id = %record.id, "what a container had of names cannot be removed");
    }
    for endpoint in &record.endpoints {
        engine.networks.release(endpoint);
        tell(engine, record, endpoint, "disconnect");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_s_own_namespace_is_no_container_s() {
        let error = namespace_of(std::process::id(), true).unwrap_err();
        assert!(gantry_types::error_chain(&error).contains("the daemon's own"), "{error}");
        namespace_of(std::process::id(), false).unwrap();
        namespace_of(u32::MAX, true).unwrap_err();
    }
}
