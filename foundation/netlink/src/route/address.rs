//! Addresses of network devices: listing them, and giving them to a device.

use std::net::IpAddr;

use crate::error::Error;
use crate::message::{Message, Request, u32_at};
use crate::route::{Link, LinkName};
use crate::socket::Socket;

const NEWADDR: u16 = 20;
const GETADDR: u16 = 22;
/// `struct ifaddrmsg`: family, length of the prefix, flags, scope, index of the device.
const BODY: usize = 8;
const CREATE_NEW: u16 = 0x400 | 0x200;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const BROADCAST: u16 = 4;
const LABEL: u16 = 3;
const FLAGS: u16 = 8;
/// Everything else that makes an address what it is; the last two are metric and protocol.
const KEPT: [u16; 5] = [ADDRESS, LOCAL, BROADCAST, 9, 11];

const PERMANENT: u32 = 0x80;
/// What was asked for when the address was made; the other flags tell its state.
const ASKED: u32 = NO_DETECTION | HOME | MANAGE_TEMPORARY | NO_ROUTE;
const NO_DETECTION: u32 = 0x02;
const HOME: u32 = 0x10;
const MANAGE_TEMPORARY: u32 = 0x100;
const NO_ROUTE: u32 = 0x200;
const SCOPE_UNIVERSE: u8 = 0;

/// One address, with all that is needed to give it to a device again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `AF_INET` or `AF_INET6`.
    pub family: u8,
    /// Bits of the network's part.
    pub prefix: u8,
    /// `RT_SCOPE_`, see `rtnetlink(7)`; 0 is the whole world.
    pub scope: u8,
    flags: u32,
    label: Option<String>,
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Address {
    /// Whether it is no temporary or learned one.
    pub fn is_permanent(&self) -> bool {
        self.flags & PERMANENT != 0
    }

    pub fn is_global(&self) -> bool {
        self.scope == SCOPE_UNIVERSE
    }

    /// The same address for a device, which may have another name than the one it is from.
    pub fn add_to(&self, link: &Link, old_name: &LinkName) -> Request {
        let mut body = [self.family, self.prefix, 0, self.scope, 0, 0, 0, 0];
        body[4..8].copy_from_slice(&link.index.to_ne_bytes());
        let what = format!("give the network device {} its address", link.name);
        let mut request = Request::new(NEWADDR, CREATE_NEW, what).body(&body);
        for (kind, value) in &self.attributes {
            request = request.attribute(*kind, value);
        }
        // The kernel wants labels to begin with the device's name.
        let alias = self.label.as_deref().and_then(|label| label.strip_prefix(old_name.as_str()));
        if let Some(alias) = alias.filter(|alias| !alias.is_empty()) {
            request = request.text(LABEL, &format!("{}{alias}", link.name));
        }
        request.number(FLAGS, self.flags & ASKED)
    }

    fn read(message: &Message<'_>, index: u32) -> Option<Self> {
        if message.kind != NEWADDR || u32_at(message.payload, 4)? != index {
            return None;
        }
        let attributes = message.attributes(BODY);
        let &[family, prefix, flags, scope, ..] = message.payload else { return None };
        Some(Self {
            family,
            prefix,
            scope,
            flags: attributes.number(FLAGS).unwrap_or(flags.into()),
            label: attributes.text(LABEL).map(str::to_owned),
            attributes: attributes
                .filter(|(kind, _)| KEPT.contains(kind))
                .map(|(kind, value)| (kind, value.to_vec()))
                .collect(),
        })
    }
}

/// Gives a device an address that nobody checks for duplicates (IPv6 would wait a second for that), with the network's broadcast
/// address for IPv4.
pub fn add(link: &Link, address: IpAddr, prefix: u8) -> Request {
    let (family, bytes) = octets(address);
    let mut body = [family, prefix, 0, SCOPE_UNIVERSE, 0, 0, 0, 0];
    body[4..8].copy_from_slice(&link.index.to_ne_bytes());
    let what = format!("give the network device {} the address {address}/{prefix}", link.name);
    let request = Request::new(NEWADDR, CREATE_NEW, what)
        .body(&body)
        .attribute(LOCAL, &bytes)
        .attribute(ADDRESS, &bytes);
    match address {
        IpAddr::V4(address) if prefix < 31 => {
            let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            request.attribute(BROADCAST, &(address.to_bits() | host).to_be_bytes())
        }
        IpAddr::V4(_) => request,
        IpAddr::V6(_) => request.number(FLAGS, NO_DETECTION),
    }
}

/// The family (`AF_INET`, `AF_INET6`) and the bytes of an address.
pub(crate) fn octets(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (2, address.octets().to_vec()),
        IpAddr::V6(address) => (10, address.octets().to_vec()),
    }
}

pub(crate) fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(bytes));
    }
    Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?))
}

impl Socket {
    /// Every address of the namespace that may clash with another: its device's index, itself, and the bits of its network's part.
    pub fn all_addresses(&mut self) -> Result<Vec<(u32, IpAddr, u8)>, Error> {
        let request =
            Request::new(GETADDR, 0, "list the addresses of all devices").body(&[0; BODY]);
        self.dump(&request, |message| {
            if message.kind != NEWADDR {
                return None;
            }
            let attributes = message.attributes(BODY);
            let bytes = attributes.get(LOCAL).or_else(|| attributes.get(ADDRESS))?;
            Some((u32_at(message.payload, 4)?, address_of(bytes)?, *message.payload.get(1)?))
        })
    }

    /// The addresses of a device.
    pub fn addresses(&mut self, link: &Link) -> Result<Vec<Address>, Error> {
        let mut body = [0; BODY];
        body[4..8].copy_from_slice(&link.index.to_ne_bytes());
        let what = format!("list the addresses of the network device {}", link.name);
        self.dump(&Request::new(GETADDR, 0, what).body(&body), |message| {
            Address::read(message, link.index)
        })
    }
}
