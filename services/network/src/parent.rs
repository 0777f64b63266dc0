//! Networks on a device of the host's own (macvlan, ipvlan): the device that they share, and the containers' devices on it.

use std::os::fd::BorrowedFd;

use gantry_netlink::route::{LinkName, OnParent, make_on_parent, make_plain, make_vlan};
use gantry_netlink::{Request, Socket};

use crate::endpoint::Endpoint;
use crate::mark::make_marked;
use crate::network::{Driver, Network, Parent};
use crate::state::State;
use crate::{Error, Result, options};

const PARENT: &str = "parent";
const MACVLAN_MODE: &str = "macvlan_mode";
const IPVLAN_MODE: &str = "ipvlan_mode";
const IPVLAN_FLAG: &str = "ipvlan_flag";
const VLAN_IDS: std::ops::RangeInclusive<u16> = 1..=4094;

/// What a network on a device of the host's will have.
pub(crate) fn plan(state: &State, network: &Network) -> Result<Parent> {
    let options = &network.options;
    for key in options.keys() {
        let known = match network.driver {
            Driver::Macvlan => [PARENT, MACVLAN_MODE, options::MTU].contains(&key.as_str()),
            _ => [PARENT, IPVLAN_MODE, IPVLAN_FLAG, options::MTU].contains(&key.as_str()),
        };
        if !known && !key.contains('.') {
            return Err(Error::UnknownOption { key: key.clone() });
        }
    }
    let (mode, flags) = mode(network)?;
    let named = options.get(PARENT).filter(|name| !name.is_empty());
    let (device, vlan, is_made) = match named {
        None => (format!("dm-{}", &network.id.as_str()[..11]), None, true),
        Some(name) => {
            name.parse::<LinkName>()?;
            (name.clone(), vlan_of(name)?, false)
        }
    };
    let private = |live: &&crate::state::Live| {
        let other = live.network.parent.as_ref();
        other.is_some_and(|other| other.device == device) && live.network.driver != network.driver
    };
    if let Some(other) = state.all().find(private) {
        let reason =
            format!("the {} network {} uses it", other.network.driver.name(), other.network.name);
        return Err(Error::Parent { device, reason });
    }
    let mtu = options::mtu(options, 0, network.ipv6.is_some())?;
    Ok(Parent { device, vlan, is_made, mode, flags, mtu })
}

/// `IFLA_MACVLAN_MODE`, or `IFLA_IPVLAN_MODE` and `IFLA_IPVLAN_FLAGS`, by Docker's words.
fn mode(network: &Network) -> Result<(u32, u16)> {
    let word = |key: &str| network.options.get(key).map_or("", String::as_str);
    let invalid =
        |key: &str| Err(Error::InvalidOption { key: key.to_owned(), value: word(key).to_owned() });
    if network.driver == Driver::Macvlan {
        return match word(MACVLAN_MODE) {
            "" | "bridge" => Ok((4, 0)),
            "private" => Ok((1, 0)),
            "vepa" => Ok((2, 0)),
            "passthru" => Ok((8, 0)),
            _ => invalid(MACVLAN_MODE),
        };
    }
    let mode = match word(IPVLAN_MODE) {
        "" | "l2" => 0,
        "l3" => 1,
        "l3s" => 2,
        _ => return invalid(IPVLAN_MODE),
    };
    match word(IPVLAN_FLAG) {
        "" | "bridge" => Ok((mode, 0)),
        "private" => Ok((mode, 1)),
        "vepa" => Ok((mode, 2)),
        _ => invalid(IPVLAN_FLAG),
    }
}

/// `eth0.10` is the VLAN 10 of `eth0`, where there is no device of that name.
fn vlan_of(name: &str) -> Result<Option<(String, u16)>> {
    let Some((device, number)) = name.rsplit_once('.') else { return Ok(None) };
    match number.parse::<u16>() {
        Ok(id) if VLAN_IDS.contains(&id) => Ok(Some((device.to_owned(), id))),
        _ => Err(Error::Parent {
            device: name.to_owned(),
            reason: format!("a VLAN has a number from {} to {}", VLAN_IDS.start(), VLAN_IDS.end()),
        }),
    }
}

/// Makes what is missing of the shared device. Whether it had to be made.
pub(crate) fn bring_up(state: &mut State, parent: &Parent) -> Result<bool> {
    let mark = state.mark()?.text();
    let name: LinkName = parent.device.parse()?;
    let missing =
        |reason: &str| Error::Parent { device: parent.device.clone(), reason: reason.to_owned() };
    if let Some(link) = state.route()?.link(&name)? {
        if !link.is_up() {
            state.route()?.send(&[link.up()])?;
        }
        return Ok(false);
    }
    let make = match &parent.vlan {
        Some((device, id)) => {
            let below = state.route()?.link(&device.parse()?)?;
            let below =
                below.ok_or_else(|| missing("neither it nor the device below it is there"))?;
            make_vlan(&name, below.index, *id)
        }
        None if parent.is_made => return make_nowhere(state, &name, &mark).map(|()| true),
        None => return Err(missing("it is not there")),
    };
    let socket = state.route()?;
    make_marked(socket, make, &name, &mark).map_err(|source| lacks(source, "VLANs"))?;
    finish(socket, &name)?;
    Ok(true)
}

/// A device that leads nowhere: its network's containers reach one another and nobody else. Kernels without the kind that is for this may
/// have another one that drops what it is given; a bridge without ports would carry nothing.
fn make_nowhere(state: &mut State, name: &LinkName, mark: &str) -> Result<()> {
    let socket = state.route()?;
    let [dummy, other] = ["dummy", "ifb"].map(|kind| make_plain(name, kind));
    let made = make_marked(socket, dummy, name, mark);
    let made = made.or_else(|error| match lacks(error, "dummy devices") {
        Error::NotInKernel { .. } => {
            make_marked(socket, other, name, mark).map_err(|source| lacks(source, "dummy devices"))
        }
        error => Err(error),
    });
    made.and_then(|()| finish(socket, name))
}

fn finish(socket: &mut Socket, name: &LinkName) -> Result<()> {
    if let Some(link) = socket.link(name)? {
        socket.send(&[link.up()])?;
    }
    Ok(())
}

/// Takes away what [`bring_up`] made, unless another network uses it.
pub(crate) fn tear_down(state: &mut State, network: &Network, parent: &Parent) -> Result<()> {
    let others = state.all().any(|live| {
        live.network.id != network.id
            && live.network.parent.as_ref().is_some_and(|other| other.device == parent.device)
    });
    let mark = state.mark()?;
    let socket = state.route()?;
    match socket.link(&parent.device.parse()?)? {
        Some(link) if !others && mark.is_on(&link) => Ok(socket.send(&[link.delete()])?),
        _ => Ok(()),
    }
}

/// Makes a container's device.
pub(crate) fn plug(
    state: &mut State,
    (endpoint, parent): (&Endpoint, &Parent),
    inner: &LinkName,
    namespace: BorrowedFd<'_>,
    driver: &Driver,
) -> Result<()> {
    let device: LinkName = parent.device.parse()?;
    let socket = state.route()?;
    let gone = || Error::Parent { device: parent.device.clone(), reason: "it is gone".to_owned() };
    let index = socket.link(&device)?.ok_or_else(gone)?.index;
    let is_ipvlan = *driver == Driver::Ipvlan;
    let request: Request = make_on_parent(
        inner,
        &OnParent {
            kind: if is_ipvlan { "ipvlan" } else { "macvlan" },
            parent: index,
            namespace,
            mode: parent.mode,
            flags: parent.flags,
            mac: (!is_ipvlan).then_some(endpoint.mac),
            mtu: (parent.mtu > 0).then_some(parent.mtu),
        },
    );
    let what = if is_ipvlan { "ipvlan" } else { "macvlan" };
    socket.send(&[request]).map_err(|source| lacks(source, what))
}

fn lacks(source: gantry_netlink::Error, what: &'static str) -> Error {
    if source.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) {
        return Error::NotInKernel { what, source };
    }
    source.into()
}
