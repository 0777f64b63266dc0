//! Network devices ("links"): finding, making, renaming and deleting them, setting them up, moving them to another namespace.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::str::FromStr;

use crate::error::Error;
use crate::message::{Attributes, Message, Request, u32_at};
use crate::socket::Socket;

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const SETLINK: u16 = 19;
/// `struct ifinfomsg`: family, type, index, flags, mask of flags.
const BODY: usize = 16;
const IFNAME: u16 = 3;
const ADDRESS: u16 = 1;
const MTU: u16 = 4;
const MASTER: u16 = 10;
const LINK_INFO: u16 = 18;
const ALIAS: u16 = 20;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const INFO_SLAVE_KIND: u16 = 4;
const INFO_SLAVE_DATA: u16 = 5;
const BRIDGE_PORT_HAIRPIN: u16 = 4;
const BRIDGE_PORT_LEARNING: u16 = 8;
const BRIDGE_PORT_UNICAST_FLOOD: u16 = 9;
const BRIDGE_PORT_FLUSH: u16 = 24;
const BRIDGE_PORT_MULTICAST_FLOOD: u16 = 27;
const BRIDGE_PORT_BROADCAST_FLOOD: u16 = 30;
const BRIDGE_PORT_ISOLATED: u16 = 33;
const BRIDGE_PORT_LOCKED: u16 = 39;
const LINK: u16 = 5;
const VLAN_ID: u16 = 1;
/// Of a macvlan and of an ipvlan.
const MODE: u16 = 1;
const IPVLAN_FLAGS: u16 = 2;
const VETH_PEER: u16 = 1;
const NET_NS_FD: u16 = 28;
/// Settings by address family; in it IPv4's, in those the ones of `/proc/sys/net/ipv4/conf`.
const FAMILIES: u16 = 26;
const IPV4: u16 = 2;
const IPV4_CONF: u16 = 1;
const ARP_NOTIFY: u16 = 22;
const CREATE_NEW: u16 = 0x400 | 0x200;
const UP: u32 = 1;
const RUNNING: u32 = 0x40;
/// The kernel's limit, without the NUL byte (`IFNAMSIZ`).
const NAME_LIMIT: usize = 15;

/// A name that the kernel takes for a network device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(String);

impl LinkName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = Error;

    /// By the rules of the kernel's `dev_valid_name`, and without the `%` of its templates.
    fn from_str(name: &str) -> Result<Self, Error> {
        let forbidden = |byte: u8| {
            matches!(byte, b'/' | b':' | b'%' | 0) || byte.is_ascii_whitespace() || byte == 0x0b
        };
        let fits = (1..=NAME_LIMIT).contains(&name.len()) && name != "." && name != "..";
        if fits && !name.bytes().any(forbidden) {
            Ok(Self(name.to_owned()))
        } else {
            Err(Error::Name { name: name.chars().take(80).collect() })
        }
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A device as its namespace lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// `IFF_` bits, see `netdevice(7)`.
    pub flags: u32,
    /// The kind of virtual device, for example `bridge`; a physical one has none.
    pub kind: Option<String>,
    /// What somebody wrote on it (`ifalias`).
    pub alias: Option<String>,
    /// The index of the bridge that it is in.
    pub master: Option<u32>,
}

impl Link {
    pub fn is_up(&self) -> bool {
        self.flags & UP != 0
    }

    /// Whether it carries packets, and who waits for that (a bridge that it is in) has been told.
    pub fn is_running(&self) -> bool {
        self.flags & RUNNING != 0
    }

    /// A hardware address; the one that it has is announced to its neighbours anew.
    pub fn set_mac(&self, mac: MacAddress) -> Request {
        let what = format!("set the hardware address of the network device {}", self.name);
        self.change(what, 0).attribute(ADDRESS, &mac)
    }

    /// Another name. The device must be down.
    pub fn rename(&self, name: &LinkName) -> Request {
        self.change(format!("rename the network device {} to {name}", self.name), 0)
            .text(IFNAME, name.as_str())
    }

    /// From now on, its neighbours are told of its IPv4 addresses when it comes up or gets a hardware address (`arp_notify`). Not through
    /// `/proc/sys/net`, where the kernel finds a device's settings the slower, the more namespaces there are.
    pub fn announce_ipv4(&self) -> Request {
        let what = format!("let the network device {} announce its addresses", self.name);
        self.change(what, 0).nested(FAMILIES, |families| {
            families.nested(IPV4, |ipv4| ipv4.nested(IPV4_CONF, |conf| conf.number(ARP_NOTIFY, 1)))
        })
    }

    pub fn up(&self) -> Request {
        self.change(format!("set the network device {} up", self.name), UP)
    }

    /// To the namespace behind an open namespace file, under a name that must be free there. The device is down afterwards and has
    /// lost its addresses.
    pub fn move_to(&self, namespace: BorrowedFd<'_>, name: &LinkName) -> Request {
        let what = format!("move the network device {} to another namespace", self.name);
        let fd = u32::try_from(namespace.as_raw_fd()).unwrap_or(u32::MAX);
        self.change(what, 0).number(NET_NS_FD, fd).text(IFNAME, name.as_str())
    }

    /// Away with it, and with its peer. Waits for all that still uses it: some 16 ms.
    pub fn delete(&self) -> Request {
        let mut body = [0; BODY];
        body[4..8].copy_from_slice(&self.index.to_ne_bytes());
        Request::new(DELLINK, 0, format!("delete the network device {}", self.name)).body(&body)
    }

    /// Into a bridge; index 0 takes it out of the one it is in.
    pub fn enslave_to(&self, bridge: u32) -> Request {
        let what = format!("put the network device {} into a bridge", self.name);
        self.change(what, 0).number(MASTER, bridge)
    }

    fn change(&self, what: String, set: u32) -> Request {
        let mut body = [0; BODY];
        body[4..8].copy_from_slice(&self.index.to_ne_bytes());
        body[8..12].copy_from_slice(&set.to_ne_bytes());
        body[12..16].copy_from_slice(&set.to_ne_bytes());
        Request::new(SETLINK, 0, what).body(&body)
    }

    fn read(message: &Message<'_>) -> Option<Self> {
        if message.kind != NEWLINK {
            return None;
        }
        let attributes = message.attributes(BODY);
        let kind = attributes.get(LINK_INFO).and_then(|info| Attributes::of(info).text(INFO_KIND));
        Some(Self {
            index: u32_at(message.payload, 4)?,
            name: attributes.text(IFNAME)?.to_owned(),
            flags: u32_at(message.payload, 8)?,
            kind: kind.map(str::to_owned),
            alias: attributes.text(ALIAS).map(str::to_owned),
            master: attributes.number(MASTER),
        })
    }
}

/// A hardware address.
pub type MacAddress = [u8; 6];

/// A new bridge, down and without an address.
pub fn make_bridge(name: &LinkName, mac: MacAddress, mtu: u32) -> Request {
    Request::new(NEWLINK, CREATE_NEW, format!("make the bridge {name}"))
        .body(&[0; BODY])
        .text(IFNAME, name.as_str())
        .attribute(ADDRESS, &mac)
        .number(MTU, mtu)
        .nested(LINK_INFO, |info| info.text(INFO_KIND, "bridge"))
}

/// A virtual device of a kind that has no settings, for example `dummy`; down.
pub fn make_plain(name: &LinkName, kind: &str) -> Request {
    Request::new(NEWLINK, CREATE_NEW, format!("make the {kind} device {name}"))
        .body(&[0; BODY])
        .text(IFNAME, name.as_str())
        .nested(LINK_INFO, |info| info.text(INFO_KIND, kind))
}

/// Writes an alias on a device, at most 255 bytes: for people and programs, the kernel makes nothing of it.
pub fn set_alias(name: &LinkName, alias: &str) -> Request {
    Request::new(SETLINK, 0, format!("write an alias on the network device {name}"))
        .body(&[0; BODY])
        .text(IFNAME, name.as_str())
        .attribute(ALIAS, alias.as_bytes())
}

/// The end of a new pair that lies in another namespace.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    pub name: &'a LinkName,
    /// The namespace in which it is born; moving it later costs 16 ms.
    pub namespace: BorrowedFd<'a>,
    pub mac: MacAddress,
}

/// A pair of devices: ours in a bridge, the other one in its own namespace; both are down.
pub fn make_veth(name: &LinkName, bridge: u32, mtu: u32, peer: Peer<'_>) -> Request {
    let namespace = u32::try_from(peer.namespace.as_raw_fd()).unwrap_or(u32::MAX);
    Request::new(NEWLINK, CREATE_NEW, format!("make the pair of network devices {name}"))
        .body(&[0; BODY])
        .text(IFNAME, name.as_str())
        .number(MASTER, bridge)
        .number(MTU, mtu)
        .nested(LINK_INFO, |info| {
            info.text(INFO_KIND, "veth").nested(INFO_DATA, |data| {
                data.nested(VETH_PEER, |end| {
                    end.body(&[0; BODY])
                        .text(IFNAME, peer.name.as_str())
                        .attribute(ADDRESS, &peer.mac)
                        .number(MTU, mtu)
                        .number(NET_NS_FD, namespace)
                })
            })
        })
}

/// [`Link::up`] of a device that nobody has looked for.
pub fn set_up(name: &LinkName) -> Request {
    let mut body = [0; BODY];
    body[8..12].copy_from_slice(&UP.to_ne_bytes());
    body[12..16].copy_from_slice(&UP.to_ne_bytes());
    Request::new(SETLINK, 0, format!("set the network device {name} up"))
        .body(&body)
        .text(IFNAME, name.as_str())
}

/// How a bridge treats one of its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BridgePort {
    /// It may send packets back by the port that they came by.
    pub hairpin: bool,
    /// It lets no packets through to other ports that are isolated, too.
    pub isolated: bool,
}

/// Sets what a device is to the bridge that it is in.
pub fn set_bridge_port(name: &LinkName, port: BridgePort) -> Request {
    let what = format!("set up the network device {name} in its bridge");
    Request::new(NEWLINK, 0, what).body(&[0; BODY]).text(IFNAME, name.as_str()).nested(
        LINK_INFO,
        |info| {
            info.text(INFO_SLAVE_KIND, "bridge").nested(INFO_SLAVE_DATA, |data| {
                data.attribute(BRIDGE_PORT_HAIRPIN, &[port.hairpin.into()])
                    .attribute(BRIDGE_PORT_ISOLATED, &[port.isolated.into()])
            })
        },
    )
}

/// Lets nothing through between a device and the bridge that it is in any more, which forgets who is behind it.
pub fn close_bridge_port(name: &LinkName) -> Request {
    // Not by the port's state: the kernel opens it again whenever it looks at the device's carrier, also some time after it came up. A
    // kernel without locked ports (before 5.16) passes over that one.
    const FLAGS: [(u16, u8); 5] = [
        (BRIDGE_PORT_LEARNING, 0),
        (BRIDGE_PORT_UNICAST_FLOOD, 0),
        (BRIDGE_PORT_MULTICAST_FLOOD, 0),
        (BRIDGE_PORT_BROADCAST_FLOOD, 0),
        (BRIDGE_PORT_LOCKED, 1),
    ];
    let what = format!("close the network device {name} in its bridge");
    Request::new(NEWLINK, 0, what).body(&[0; BODY]).text(IFNAME, name.as_str()).nested(
        LINK_INFO,
        |info| {
            info.text(INFO_SLAVE_KIND, "bridge").nested(INFO_SLAVE_DATA, |mut data| {
                for (flag, value) in FLAGS {
                    data = data.attribute(flag, &[value]);
                }
                data.attribute(BRIDGE_PORT_FLUSH, &[])
            })
        },
    )
}

/// A VLAN on a device of this namespace, down.
pub fn make_vlan(name: &LinkName, below: u32, id: u16) -> Request {
    Request::new(NEWLINK, CREATE_NEW, format!("make the VLAN {name}"))
        .body(&[0; BODY])
        .text(IFNAME, name.as_str())
        .number(LINK, below)
        .nested(LINK_INFO, |info| {
            info.text(INFO_KIND, "vlan")
                .nested(INFO_DATA, |data| data.attribute(VLAN_ID, &id.to_ne_bytes()))
        })
}

/// A device on another one, in a namespace of its own.
#[derive(Debug, Clone, Copy)]
pub struct OnParent<'a> {
    /// `macvlan` or `ipvlan`.
    pub kind: &'a str,
    pub parent: u32,
    pub namespace: BorrowedFd<'a>,
    /// `IFLA_MACVLAN_MODE` or `IFLA_IPVLAN_MODE`.
    pub mode: u32,
    /// `IFLA_IPVLAN_FLAGS`.
    pub flags: u16,
    /// Without one, the kernel chooses.
    pub mac: Option<MacAddress>,
    /// Without one, the parent's.
    pub mtu: Option<u32>,
}

/// A macvlan or ipvlan, down.
pub fn make_on_parent(name: &LinkName, device: &OnParent<'_>) -> Request {
    let namespace = u32::try_from(device.namespace.as_raw_fd()).unwrap_or(u32::MAX);
    let what = format!("make the {} {name}", device.kind);
    let mut request = Request::new(NEWLINK, CREATE_NEW, what)
        .body(&[0; BODY])
        .text(IFNAME, name.as_str())
        .number(LINK, device.parent)
        .number(NET_NS_FD, namespace);
    if let Some(mac) = device.mac {
        request = request.attribute(ADDRESS, &mac);
    }
    if let Some(mtu) = device.mtu {
        request = request.number(MTU, mtu);
    }
    request.nested(LINK_INFO, |info| {
        info.text(INFO_KIND, device.kind).nested(INFO_DATA, |data| match device.kind {
            "ipvlan" => {
                let mode = u16::try_from(device.mode).unwrap_or(u16::MAX);
                data.attribute(MODE, &mode.to_ne_bytes())
                    .attribute(IPVLAN_FLAGS, &device.flags.to_ne_bytes())
            }
            _ => data.number(MODE, device.mode),
        })
    })
}

impl Socket {
    /// The device of a name, `None` when there is none.
    pub fn link(&mut self, name: &LinkName) -> Result<Option<Link>, Error> {
        let what = format!("find the network device {name}");
        let request = Request::new(GETLINK, 0, what).body(&[0; BODY]).text(IFNAME, name.as_str());
        match self.ask(&request, Link::read) {
            Err(error) if error.kind() == gantry_types::ErrorKind::NotFound => Ok(None),
            result => result.map(Some),
        }
    }

    /// All devices.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        let request = Request::new(GETLINK, 0, "list the network devices").body(&[0; BODY]);
        self.dump(&request, Link::read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_kernels() {
        for name in ["eth0", "a", "fifteen-letters", "lan.7", "é"] {
            assert_eq!(name.parse::<LinkName>().unwrap().as_str(), name);
        }
        for name in
            ["", ".", "..", "sixteen-letters-", "a/b", "eth0:1", "a b", "eth%d", "a\0", "\t"]
        {
            assert!(name.parse::<LinkName>().is_err(), "{name:?}");
        }
    }
}
