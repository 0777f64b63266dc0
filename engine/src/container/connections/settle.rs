//! A change of a running container's networks that the daemon's death broke off: noted before it begins, and settled by the next daemon.

use std::os::fd::AsFd;
use std::sync::Arc;

use gantry_network::Endpoint;
use gantry_types::error_chain;

use super::super::endpoints::{changed, is_of, namespace_of, ways_out};
use super::super::task::{Task, save};
use super::{move_ports, with_plan};
use crate::Result;
use crate::blocking::block;
use crate::engine::{CONTAINERS, Engine};
use crate::error::Error;
use crate::record::{ContainerRecord, State};

/// Says in the database that the networks are about to change, and which places the container is about to take. The next record that
/// is saved says so no more.
pub(super) async fn note(task: &Task, joining: Vec<Endpoint>) -> Result<()> {
    let record = ContainerRecord::clone(&task.record);
    let record = Arc::new(ContainerRecord { changes_networks: true, joining, ..record });
    save(&task.engine, &record).await
}

/// Before a start whose networks ask plugins: these must hear of its end, whoever sees it.
pub(crate) fn note_start(
    engine: &Engine,
    record: &ContainerRecord,
    places: &[Endpoint],
) -> Result<()> {
    let asks = |place: &Endpoint| {
        engine.networks.find(place.network_id.as_str()).is_ok_and(|network| network.asks_plugin())
    };
    let joining: Vec<Endpoint> = places.iter().filter(|place| asks(place)).cloned().collect();
    // What no list shows, as the command of a build, has no record to note anything in.
    if joining.is_empty() || engine.container(record.id.as_str()).is_err() {
        return Ok(());
    }
    let record = ContainerRecord { joining, ..record.clone() };
    let put = engine.db.write(|tx| CONTAINERS.put(tx, record.id.as_str(), &record));
    put.map_err(Error::Database)
}

/// Gives back what a container was about to have when the daemon died: its device, if the container goes on, and its addresses.
pub(crate) async fn give_back(
    engine: &Engine,
    record: Arc<ContainerRecord>,
    pid: Option<u32>,
) -> Arc<ContainerRecord> {
    if record.joining.is_empty() {
        return record;
    }
    let (working, given) = (engine.clone(), Arc::clone(&record));
    block(move || {
        for endpoint in &given.joining {
            tracing::info!(id = %given.id, network = endpoint.network_name, "a place in a network that was being taken is given back");
            let unplugged: Result<()> = pid.map_or(Ok(()), |pid| {
                let namespace = namespace_of(pid, true)?;
                Ok(working.networks.unplug(endpoint, namespace.as_fd())?)
            });
            if let Err(error) = unplugged {
                let (error, device) = (error_chain(&error), &endpoint.device);
                tracing::warn!(error, id = %given.id, device, "cannot remove a device that was being made");
            }
            working.networks.release(endpoint);
        }
    })
    .await;
    let record =
        Arc::new(ContainerRecord { joining: Vec::new(), ..ContainerRecord::clone(&record) });
    if let Err(error) = save(engine, &record).await {
        let error = error_chain(&error);
        tracing::warn!(error, id = %record.id, "a place in a network that was given back stays noted");
    }
    record
}

/// The change failed, and all is as it was. A failure is logged: the next daemon finds nothing to settle.
pub(super) async fn forget(task: &Task) {
    if let Err(error) = save(&task.engine, &task.record).await {
        let error = error_chain(&error);
        tracing::warn!(error, id = %task.record.id, "a change of networks that failed stays noted");
    }
}

/// Brings together what the record of a running container says and what is there. A device that belongs to no record went when the
/// networks came back or was given back, and with it the way out if it led by that; a network whose device is gone was being left.
pub(crate) async fn settle(engine: &Engine, record: Arc<ContainerRecord>) -> Arc<ContainerRecord> {
    let State::Running { pid, .. } = record.state else { return record };
    let (working, before) = (engine.clone(), Arc::clone(&record));
    let settled = match block(move || settled(&working, &before, pid)).await {
        Ok(settled) => Arc::new(settled),
        Err(error) => {
            let error = error_chain(&error);
            tracing::warn!(error, id = %record.id, "cannot settle a change of networks that was broken off");
            return record;
        }
    };
    if let Err(error) = save(engine, &settled).await {
        let error = error_chain(&error);
        tracing::warn!(error, id = %settled.id, "cannot record what became of a change of networks");
    }
    settled
}

fn settled(engine: &Engine, before: &ContainerRecord, pid: u32) -> Result<ContainerRecord> {
    let namespace = namespace_of(pid, true)?;
    let (mut there, mut gone) = (Vec::new(), Vec::<Endpoint>::new());
    for endpoint in before.endpoints.iter().cloned() {
        let is_there = engine.networks.is_plugged(&endpoint, namespace.as_fd())?;
        if is_there { there.push(endpoint) } else { gone.push(endpoint) }
    }
    let mut record = with_plan(before, |all| {
        all.retain(|asked| !gone.iter().any(|endpoint| is_of(asked, endpoint)));
    });
    record.endpoints = there;
    let [way4, way6] = ways_out(&record.endpoints);
    engine.networks.lead_out(namespace.as_fd(), way4, way6)?;
    move_ports(engine, &mut record, &before.endpoints)?;
    for endpoint in &gone {
        tracing::info!(id = %record.id, network = endpoint.network_name, "a network that was being left is left now");
        engine.networks.release(endpoint);
    }
    record.earlier_endpoints = ContainerRecord::remembered(&record.endpoints);
    if let Err(error) = changed(engine, &record, Some(pid)) {
        let error = error_chain(&error);
        tracing::warn!(error, id = %record.id, "the names of networks that were left may stay");
    }
    Ok(record)
}
