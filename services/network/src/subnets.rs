//! The subnets of a new network: those that were asked for, if they meet no others, or free ones of the pools; and their gateways.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::addresses::Addresses;
use crate::create::{Asked, CreateOptions};
use crate::family::Family;
use crate::network::{Network, Subnet, Subnet4, Subnet6};
use crate::options::GatewayMode;
use crate::state::State;
use crate::{Error, Networks, Result, pools};

/// All of a network's subnets, for each family; the first one is the family's own, the others are further ones.
#[derive(Debug, Default)]
pub(crate) struct Subnets {
    pub(crate) ipv4: Vec<Subnet4>,
    pub(crate) ipv6: Vec<Subnet6>,
}

impl Subnets {
    pub(crate) fn give_to(self, network: &mut Network) {
        let (mut ipv4, mut ipv6) = (self.ipv4.into_iter(), self.ipv6.into_iter());
        (network.ipv4, network.ipv6) = (ipv4.next(), ipv6.next());
        (network.further4, network.further6) = (ipv4.collect(), ipv6.collect());
    }
}

impl CreateOptions {
    pub(crate) fn all4(&self) -> impl Iterator<Item = &Asked<Ipv4Addr, Ipv4Net>> {
        self.ipv4.iter().chain(&self.further4)
    }

    pub(crate) fn all6(&self) -> impl Iterator<Item = &Asked<Ipv6Addr, Ipv6Net>> {
        self.ipv6.iter().chain(&self.further6)
    }

    /// What another network has, as if it had been asked for.
    pub(crate) fn take_subnets(&mut self, network: Network) {
        if network.ipv4.is_some() {
            self.ipv4 = network.ipv4.map(asked_of::<Ipv4Addr>);
            self.further4 = network.further4.into_iter().map(asked_of::<Ipv4Addr>).collect();
        }
        if network.ipv6.is_some() {
            self.ipv6 = network.ipv6.map(asked_of::<Ipv6Addr>);
            self.further6 = network.further6.into_iter().map(asked_of::<Ipv6Addr>).collect();
        }
    }
}

impl Networks {
    /// Those that a network gets.
    pub(crate) fn subnets(
        &self,
        state: &mut State,
        network: &Network,
        options: &CreateOptions,
    ) -> Result<Subnets> {
        let has_further = !options.further4.is_empty() || !options.further6.is_empty();
        if network.bridge.is_some() && has_further {
            return Err(Error::SeveralSubnets { driver: "bridge" });
        }
        // Containers on the host's own devices share those devices' subnets.
        let shares =
            network.parent.is_some() || network.bridge.as_ref().is_some_and(|it| it.is_users);
        let mut used = if shares { Vec::new() } else { state.used_subnets()? };
        let pools = &self.config.pools;
        let ipv4 =
            complete_all(network, options.all4(), &mut used, |used| pools::choose4(pools, used))?;
        let ipv6 =
            complete_all(network, options.all6(), &mut used, |used| pools::choose6(pools, used))?;
        Ok(Subnets { ipv4, ipv6 })
    }
}

/// What a configuration says of addresses; what it leaves open is chosen for each network that has it.
pub(crate) fn as_given(options: &CreateOptions) -> Subnets {
    Subnets {
        ipv4: options.all4().cloned().filter_map(given).collect(),
        ipv6: options.all6().cloned().filter_map(given).collect(),
    }
}

fn given<A, N>(asked: Asked<A, N>) -> Option<Subnet<A, N>> {
    let Asked { subnet, range, gateway, auxiliary, router } = asked;
    Some(Subnet { subnet: subnet?, range, gateway, auxiliary, router })
}

fn asked_of<A: Family>(subnet: Subnet<A, A::Net>) -> Asked<A, A::Net> {
    let Subnet { subnet, range, gateway, auxiliary, router } = subnet;
    Asked { subnet: Some(subnet), range, gateway, auxiliary, router }
}

fn complete_all<'a, A: Family + 'a>(
    network: &Network,
    asked: impl Iterator<Item = &'a Asked<A, A::Net>>,
    used: &mut Vec<(IpNet, String)>,
    choose: impl Fn(&[IpNet]) -> Option<A::Net>,
) -> Result<Vec<Subnet<A, A::Net>>> {
    let one = |asked: &'a Asked<A, A::Net>| {
        let subnet: Subnet<A, A::Net> = complete(network, asked, used, &choose)?;
        used.push((subnet.subnet.into(), "this network itself".to_owned()));
        Ok(subnet)
    };
    asked.map(one).collect()
}

/// The subnet that was asked for, if it meets no other; else the first free one of the pools.
fn complete<A: Family>(
    network: &Network,
    asked: &Asked<A, A::Net>,
    used: &[(IpNet, String)],
    choose: impl Fn(&[IpNet]) -> Option<A::Net>,
) -> Result<Subnet<A, A::Net>> {
    let subnet = match asked.subnet {
        None => {
            let used: Vec<IpNet> = used.iter().map(|(subnet, _)| *subnet).collect();
            choose(&used).ok_or(Error::NoPool { family: A::NAME })?
        }
        Some(subnet) if A::trunc(subnet) != subnet => {
            let right = A::trunc(subnet).into();
            return Err(Error::InvalidSubnet { subnet: subnet.into(), right });
        }
        Some(subnet) => subnet,
    };
    let meets = |(other, _): &&(IpNet, String)| pools::overlap(*other, subnet.into());
    if let Some((_, by)) = used.iter().find(meets) {
        return Err(Error::Overlap { subnet: subnet.into(), by: by.clone() });
    }
    let gateway = gateway(network, subnet, asked)?;
    let Asked { range, auxiliary, router, .. } = asked.clone();
    Ok(Subnet { subnet, range, gateway, auxiliary, router })
}

/// The gateway, after a look at every address that was given by hand.
fn gateway<A: Family>(
    network: &Network,
    subnet: A::Net,
    asked: &Asked<A, A::Net>,
) -> Result<Option<A>> {
    let (name, net): (_, IpNet) = (|| network.name.clone(), subnet.into());
    let outside = |address| Error::Outside { address, network: name(), subnets: net.to_string() };
    let range: Option<IpNet> = asked.range.map(Into::into);
    if let Some(range) = range.filter(|range| !net.contains(range)) {
        return Err(outside(range.addr()));
    }
    let mut addresses = Addresses::new(subnet, asked.range);
    for given in asked.auxiliary.values().chain(&asked.gateway).chain(&asked.router) {
        let address: IpAddr = (*given).into();
        if !net.contains(&address) {
            return Err(outside(address));
        }
        if !given.is_host(subnet) {
            return Err(Error::NotAHost { address, network: name(), subnet: net });
        }
        if !addresses.take(*given) {
            return Err(Error::AddressTaken { address, network: name() });
        }
    }
    let isolated = network.bridge.as_ref().is_some_and(|bridge| {
        let mode = match net {
            IpNet::V4(_) => bridge.options.gateway_mode4,
            IpNet::V6(_) => bridge.options.gateway_mode6,
        };
        mode == GatewayMode::Isolated
    });
    if asked.gateway.is_some() || isolated {
        return Ok(asked.gateway);
    }
    let chosen = addresses.next();
    chosen.map(Some).ok_or_else(|| Error::NoAddress { network: name(), subnets: net.to_string() })
}
