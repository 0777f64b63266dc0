//! `linux.netDevices`: which of the host's network devices go into the container, under which names.

use std::collections::BTreeMap;

use gantry_netlink::route::LinkName;
use gantry_oci::runtime::NetDevice;
use gantry_sys::clone::Namespaces;

use super::NamespacePlan;
use crate::failure::Failure;

/// One device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetDevicePlan {
    pub host: LinkName,
    pub inside: InsideName,
}

/// The name in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InsideName {
    Exactly(LinkName),
    /// What comes before `%d`: the lowest free number is put in its place.
    Numbered(String),
}

pub(super) fn plan(
    asked: &BTreeMap<String, NetDevice>,
    namespaces: &NamespacePlan,
) -> Result<Vec<NetDevicePlan>, Failure> {
    if !asked.is_empty() && !namespaces.is_private(Namespaces::NETWORK) {
        return Err(Failure::invalid(
            "unable to move network devices without a private NET namespace (linux.netDevices)",
        ));
    }
    let mut plans: Vec<NetDevicePlan> = Vec::new();
    for (host, device) in asked {
        let host: LinkName = parse(host)?;
        let inside = match device.name.as_str() {
            "" => InsideName::Exactly(host.clone()),
            name => inside(name)?,
        };
        let taken = |plan: &&NetDevicePlan| {
            matches!(inside, InsideName::Exactly(_)) && plan.inside == inside
        };
        if let Some(other) = plans.iter().find(taken) {
            return Err(Failure::invalid(format!(
                "linux.netDevices: {} and {host} cannot both have the name {:?} in the container",
                other.host, device.name
            )));
        }
        plans.push(NetDevicePlan { host, inside });
    }
    Ok(plans)
}

/// A template has its `%d` at the end, once, and must still fit with a number.
fn inside(name: &str) -> Result<InsideName, Failure> {
    let Some(stem) = name.strip_suffix("%d") else { return Ok(InsideName::Exactly(parse(name)?)) };
    parse(&format!("{stem}0"))?;
    Ok(InsideName::Numbered(stem.to_owned()))
}

fn parse(name: &str) -> Result<LinkName, Failure> {
    name.parse().map_err(|error| Failure::invalid(format!("linux.netDevices: {error}")))
}
