//! The networks of a container change: while it runs, its devices, ways out and published ports do, too. What a daemon that dies in
//! the middle leaves is settled in `settle`.

mod settle;

use std::os::fd::AsFd;
use std::sync::Arc;

use gantry_api::network::EndpointSettings;
use gantry_network::{Endpoint, Network};
use gantry_types::error_chain;

use super::endpoints::{
    asked_of, changed, device, leads_out, namespace_of, new_id, own_options, rank, tell, unplug,
    ways_out, wish,
};
pub(super) use settle::{give_back, note_start, settle};

use super::names;
use super::task::{Task, save};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{self, ContainerPlan, EndpointPlan};
use crate::record::{ContainerRecord, State};

/// The task's side of `network connect`.
pub(super) async fn connect_now(
    task: &mut Task,
    network: Network,
    settings: EndpointSettings,
) -> Result<()> {
    check_modes(&task.record.plan, &network)?;
    let asked = plan::endpoint(network.name.clone(), settings)?;
    let record = Arc::clone(&task.record);
    let State::Running { pid, .. } = record.state else {
        let record = with_plan(&record, |endpoints| {
            endpoints.retain(|other| !means(other, &network));
            endpoints.push(asked);
        });
        return task.save(Arc::new(record)).await;
    };
    if record.endpoints.iter().any(|endpoint| endpoint.network_id == network.id) {
        return Err(Error::EndpointExists {
            container: record.name.to_string(),
            network: network.name,
        });
    }
    let (engine, before) = (task.engine.clone(), Arc::clone(&record));
    let joining = block(move || {
        let added = take(&engine, &before, &asked, &network)?;
        Ok::<_, Error>(Joining { asked, network, added })
    })
    .await?;
    let added = joining.added.clone();
    if let Err(error) = settle::note(task, vec![added.clone()]).await {
        let engine = task.engine.clone();
        block(move || engine.networks.release(&added)).await;
        return Err(error);
    }
    let changed = connect_running(task, joining, pid).await;
    if changed.is_err() {
        settle::forget(task).await;
    }
    changed
}

/// A network that is being joined: what is asked there, and the place that is taken.
struct Joining {
    asked: EndpointPlan,
    network: Network,
    added: Endpoint,
}

async fn connect_running(task: &mut Task, joining: Joining, pid: u32) -> Result<()> {
    let (engine, record) = (task.engine.clone(), Arc::clone(&task.record));
    let connected = block(move || connect(&engine, &record, joining, pid)).await?;
    let endpoint = connected.added;
    let saved = match task.engine.failpoint("connect-record") {
        Ok(()) => task.save(Arc::new(connected.record)).await,
        Err(error) => Err(error),
    };
    let (engine, record) = (task.engine.clone(), Arc::clone(&task.record));
    block(move || match saved {
        Ok(()) => {
            names::tell_linked(&engine, &record);
            tell(&engine, &record, &endpoint, "connect");
            Ok(())
        }
        Err(error) => {
            undo(&engine, &record, &endpoint, pid);
            Err(error)
        }
    })
    .await
}

struct Connected {
    record: ContainerRecord,
    added: Endpoint,
}

/// A place in one more network, of which nobody sees anything yet.
fn take(
    engine: &Engine,
    record: &ContainerRecord,
    asked: &EndpointPlan,
    network: &Network,
) -> Result<Endpoint> {
    let device = device(&record.endpoints, asked, network)?;
    let mut wanted = wish(record, asked, network);
    if leads_out(network) && ways_out(&record.endpoints) == [None, None] {
        // Nothing led in before.
        wanted.ports = plan::ports(&record.plan.config, &record.plan.host_config)?;
    }
    let added = engine.networks.allocate(new_id()?, network.id.as_str(), &wanted)?;
    Ok(Endpoint { device, ..added })
}

fn connect(
    engine: &Engine,
    record: &ContainerRecord,
    Joining { asked, network, added }: Joining,
    pid: u32,
) -> Result<Connected> {
    let result = (|| {
        let namespace = namespace_of(pid, true)?;
        let options = own_options(Some(&asked), &added);
        engine.networks.plug(&added, namespace.as_fd(), &options)?;
        engine.failpoint("connect-plugged")?;
        let mut record = with_plan(record, |endpoints| {
            endpoints.retain(|other| !means(other, &network));
            endpoints.push(asked);
        });
        let before = record.endpoints.clone();
        record.endpoints.push(added.clone());
        sort(engine, &mut record)?;
        changed(engine, &record, Some(pid))?;
        lead(engine, &mut record, &before, namespace.as_fd())?;
        record.earlier_endpoints = ContainerRecord::remembered(&record.endpoints);
        Ok(record)
    })();
    match result {
        Ok(record) => Ok(Connected { record, added }),
        Err(error) => {
            undo(engine, record, &added, pid);
            Err(error)
        }
    }
}

/// Published ports, ways out and names as they were before a change that failed; the ports may be at one of `others` by now.
fn restore(engine: &Engine, record: &ContainerRecord, others: &[Endpoint], pid: u32) {
    if let Err(error) = take_ports_back(engine, record, others) {
        tracing::warn!(error = error_chain(&error), id = %record.id, "published ports lead nowhere");
    }
    let [way4, way6] = ways_out(&record.endpoints);
    let restored = namespace_of(pid, true).and_then(|namespace| {
        engine.networks.lead_out(namespace.as_fd(), way4, way6)?;
        changed(engine, record, Some(pid))
    });
    if let Err(error) = restored {
        tracing::warn!(error = error_chain(&error), id = %record.id, "cannot undo a change of networks");
    }
}

fn take_ports_back(engine: &Engine, record: &ContainerRecord, others: &[Endpoint]) -> Result<()> {
    let Some(owner) = record.endpoints.iter().find(|it| !it.ports.is_empty()) else {
        return Ok(());
    };
    let mut owner = Endpoint { ports: Vec::new(), ..owner.clone() };
    for other in others {
        if other.id == owner.id {
            continue;
        }
        let network = engine.networks.find(other.network_id.as_str())?;
        let all = engine.networks.endpoints(&network);
        if let Some(mut other) = all.into_iter().find(|it| it.id == other.id)
            && !other.ports.is_empty()
        {
            engine.networks.move_ports(&mut other, &mut owner)?;
        }
    }
    Ok(())
}

/// Takes away what a connection that failed has made; `record` is the one of before.
fn undo(engine: &Engine, record: &ContainerRecord, endpoint: &Endpoint, pid: u32) {
    restore(engine, record, std::slice::from_ref(endpoint), pid);
    // Without a process, its namespace takes the device along.
    if let Ok(namespace) = namespace_of(pid, true) {
        unplug(engine, endpoint, namespace.as_fd());
    }
    engine.networks.release(endpoint);
}

/// The task's side of `network disconnect`.
pub(super) async fn disconnect_now(task: &mut Task, network: Network) -> Result<()> {
    let record = Arc::clone(&task.record);
    if network.name == "none" && record.plan.network == plan::Network::None {
        let mut plan = ContainerPlan::clone(&record.plan);
        plan.network = plan::Network::Bridge;
        let record = ContainerRecord { plan: Arc::new(plan), ..ContainerRecord::clone(&record) };
        return task.save(Arc::new(record)).await;
    }
    check_modes(&record.plan, &network)?;
    let running = record.endpoints.iter().find(|it| it.network_id == network.id).cloned();
    let asked = record.plan.endpoints.iter().any(|asked| means(asked, &network));
    if running.is_none() && !asked {
        return Err(Error::NotConnected {
            container: record.id.to_string(),
            network: network.name,
        });
    }
    let without = with_plan(&record, |all| all.retain(|other| !means(other, &network)));
    let (State::Running { pid, .. }, Some(endpoint)) = (&record.state, running) else {
        return task.save(Arc::new(without)).await;
    };
    // It is done, whether it can be written down or not.
    if let Err(error) = settle::note(task, Vec::new()).await {
        tracing::warn!(error = error_chain(&error), id = %record.id, "a network is left without a note");
    }
    let (engine, pid) = (task.engine.clone(), *pid);
    let left = block(move || disconnect(&engine, without, &endpoint, pid)).await;
    let record = match left {
        Ok(record) => Arc::new(record),
        Err(error) => {
            settle::forget(task).await;
            return Err(error);
        }
    };
    let saved = match task.engine.failpoint("disconnect-record") {
        Ok(()) => save(&task.engine, &record).await,
        Err(error) => Err(error),
    };
    task.show(Arc::clone(&record), false);
    let engine = task.engine.clone();
    block(move || names::tell_linked(&engine, &record)).await;
    saved
}

fn disconnect(
    engine: &Engine,
    mut record: ContainerRecord,
    endpoint: &Endpoint,
    pid: u32,
) -> Result<ContainerRecord> {
    let namespace = namespace_of(pid, true)?;
    let before = record.clone();
    record.endpoints.retain(|other| other.id != endpoint.id);
    let left = lead(engine, &mut record, &before.endpoints, namespace.as_fd())
        .and_then(|()| Ok(engine.networks.unplug(endpoint, namespace.as_fd())?));
    if let Err(error) = left {
        restore(engine, &before, &record.endpoints, pid);
        return Err(error);
    }
    engine.networks.release(endpoint);
    record.earlier_endpoints = ContainerRecord::remembered(&record.endpoints);
    // There is no way back any more.
    if let Err(error) = changed(engine, &record, Some(pid)) {
        tracing::warn!(error = error_chain(&error), id = %record.id, "the names of a network that was left stay");
    }
    tell(engine, &record, endpoint, "disconnect");
    Ok(record)
}

/// Lets packets go out by the best endpoints that there are now, and lead the published ports there.
fn lead(
    engine: &Engine,
    record: &mut ContainerRecord,
    before: &[Endpoint],
    namespace: std::os::fd::BorrowedFd<'_>,
) -> Result<()> {
    let id = |way: Option<&Endpoint>| way.map(|it| it.id.clone());
    let [old4, old6] = ways_out(before).map(id);
    let [way4, way6] = ways_out(&record.endpoints);
    if (id(way4), id(way6)) != (old4.clone(), old6.clone()) {
        engine.networks.lead_out(namespace, way4, way6)?;
    }
    move_ports(engine, record, before)
}

/// Lets the published ports lead to the best endpoint that there is now.
fn move_ports(engine: &Engine, record: &mut ContainerRecord, before: &[Endpoint]) -> Result<()> {
    let [way4, way6] = ways_out(&record.endpoints);
    let Some(target) = way4.or(way6).map(|it| it.id.clone()) else { return Ok(()) };
    let Some(mut from) = before.iter().find(|it| !it.ports.is_empty() && it.id != target).cloned()
    else {
        return Ok(());
    };
    if let Some(to) = record.endpoints.iter_mut().find(|it| it.id == target) {
        engine.networks.move_ports(&mut from, to)?;
    }
    if let Some(old) = record.endpoints.iter_mut().find(|it| it.id == from.id) {
        old.ports.clear();
    }
    Ok(())
}

/// Into the order in which they lead out.
fn sort(engine: &Engine, record: &mut ContainerRecord) -> Result<()> {
    let mut ranked = Vec::with_capacity(record.endpoints.len());
    for endpoint in std::mem::take(&mut record.endpoints) {
        let network = engine.networks.find(endpoint.network_id.as_str())?;
        let place = asked_of(record, &endpoint).map(|asked| rank(asked, &network));
        ranked.push((place, endpoint));
    }
    ranked.sort_by(|(one, _), (other, _)| one.cmp(other));
    record.endpoints = ranked.into_iter().map(|(_, endpoint)| endpoint).collect();
    Ok(())
}

fn with_plan(
    record: &ContainerRecord,
    change: impl FnOnce(&mut Vec<EndpointPlan>),
) -> ContainerRecord {
    let mut plan = ContainerPlan::clone(&record.plan);
    change(&mut plan.endpoints);
    ContainerRecord { plan: Arc::new(plan), ..record.clone() }
}

fn means(asked: &EndpointPlan, network: &Network) -> bool {
    asked.network == network.name || asked.network == network.id.as_str()
}

/// Containers without a network of their own cannot have another one.
fn check_modes(plan: &ContainerPlan, network: &Network) -> Result<()> {
    let mode = match plan.network {
        _ if network.name == "host" => "host",
        plan::Network::Bridge => network.name.as_str(),
        plan::Network::Host => "host",
        plan::Network::None => "none",
        plan::Network::Container => "container:",
    };
    plan::refusal(mode).map_or(Ok(()), |text| Err(Error::Refused { reason: text.to_owned() }))
}
