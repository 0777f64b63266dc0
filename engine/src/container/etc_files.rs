//! The three files that the engine mounts into a container's `/etc`: `hostname`, `hosts`, `resolv.conf`. They follow the container's
//! networks, as long as nobody has changed them by hand (`ours`).

mod hosts;
mod ours;
mod resolv_conf;

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use self::hosts::{Addresses, hosts};
use self::ours::Folder;
use self::resolv_conf::resolv_conf;
use super::links::{self, Link};
use super::names;
use crate::engine::Engine;
use crate::plan::{ContainerPlan, Network, Relabel, joined};
use crate::record::ContainerRecord;
use crate::{Result, selinux};

const FILES: [&str; 3] = ["hosts", "resolv.conf", "hostname"];

/// Checks what the request wants in the files, before anything is made of it.
pub(super) fn check(engine: &Engine, plan: &ContainerPlan) -> Result<()> {
    resolv_conf::check(&plan.host_config)?;
    hosts(plan, &Addresses { gateways: &gateways(engine), ..Addresses::default() }).map(drop)
}

/// Held from the question what the files have to say until they say it: the tasks of linked containers write them, too.
static WRITING: Mutex<()> = Mutex::new(());

/// Brings the files to what the container's networks are now; the first start makes them.
pub(super) fn refresh(engine: &Engine, record: &ContainerRecord) -> Result<()> {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    put(engine, record, &links::current(engine, record))
}

/// The same for a container as everybody sees it, if it runs.
pub(super) fn refresh_seen(engine: &Engine, id: &str) -> Result<()> {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let record = engine.snapshot(id)?.record;
    if !record.state.is_running() {
        return Ok(());
    }
    put(engine, &record, &links::current(engine, &record))
}

fn put(engine: &Engine, record: &ContainerRecord, links: &[Link]) -> Result<()> {
    // Who joins another one's network has that one's files.
    if record.plan.network == Network::Container {
        return share(engine, record);
    }
    let own = record.endpoints.iter().flat_map(|it| it.addresses().collect::<Vec<_>>());
    let own: Vec<_> = own.map(|(address, _)| address).collect();
    let linked: Vec<_> = links.iter().flat_map(|link| link.hosts().collect::<Vec<_>>()).collect();
    let addresses = Addresses { own: &own, linked: &linked, gateways: &gateways(engine) };
    let text = hosts(&record.plan, &addresses)?;
    let conf = resolv_conf(engine, record);
    let hostname = format!("{}\n", record.plan.config.hostname);
    let dir = engine.settings.container_dir(record.id.as_str());
    Folder::new(&dir).put(&[("hosts", &text), ("resolv.conf", &conf), ("hostname", &hostname)])?;
    let labels = &record.plan.security.selinux;
    FILES.iter().try_for_each(|name| selinux::relabel_if_alone(&dir.join(name), labels))
}

/// Where SELinux labels files, those of the container whose network is joined are from now on all containers'.
fn share(engine: &Engine, record: &ContainerRecord) -> Result<()> {
    let Some(id) = joined(&record.plan.host_config.network_mode) else { return Ok(()) };
    let (dir, labels) = (engine.settings.container_dir(id), &record.plan.security.selinux);
    FILES.iter().try_for_each(|name| selinux::relabel(&dir.join(name), labels, Relabel::Shared))
}

/// What `host-gateway` means.
fn gateways(engine: &Engine) -> Vec<std::net::IpAddr> {
    let given = &engine.settings.names.host_gateways;
    if given.is_empty() {
        engine.networks.host_gateway().into_iter().map(Into::into).collect()
    } else {
        given.clone()
    }
}

fn of_host(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
