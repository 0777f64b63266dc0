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
use crate::engine::Engine;
use crate::record::{ContainerRecord, State};

/// Says in the database that the networks are about to change. The next record that is saved says so no more.
pub(super) async fn note(task: &Task) -> Result<()> {
    let record = ContainerRecord::clone(&task.record);
    let record = Arc::new(ContainerRecord { changes_networks: true, ..record });
    save(&task.engine, &record).await
}

/// The change failed, and all is as it was. A failure is logged: the next daemon finds nothing to settle.
pub(super) async fn forget(task: &Task) {
    if let Err(error) = save(&task.engine, &task.record).await {
        let error = error_chain(&error);
        tracing::warn!(error, id = %task.record.id, "a change of networks that failed stays noted");
    }
}

/// Brings together what the record of a running container says and what is there. A device that belongs to no record went when the
/// networks came back, and with it the way out if it led by that; a network whose device is gone was being left.
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
