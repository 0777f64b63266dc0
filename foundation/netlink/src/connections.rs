//! The connections that the packet filter remembers (`nf_conntrack`), by `linux/netfilter/nfnetlink_conntrack.h`. What is rewritten of
//! a connection is decided by its first packet: one that goes on under rules that have changed has to be forgotten.

use std::net::{IpAddr, SocketAddr};

use gantry_types::ErrorKind;

use crate::error::Error;
use crate::message::{Attributes, Message, Request};
use crate::socket::Socket;

const SUBSYSTEM: u16 = 1;
const NEW: u16 = SUBSYSTEM << 8;
const GET: u16 = NEW | 1;
const DELETE: u16 = NEW | 2;

/// `struct nfgenmsg`: family (of a list: all of them), version, resource.
const BODY: [u8; 4] = [0; 4];
const ORIGINAL: u16 = 1;
const ANSWERS: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;

/// One that has ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// `IPPROTO_`.
    pub protocol: u8,
    /// As its first packet had it.
    pub destination: SocketAddr,
    /// Where the answers come from: the destination, after the packet filter has rewritten it.
    pub answers_from: SocketAddr,
    family: u8,
    original: Vec<u8>,
    id: Vec<u8>,
}

impl Socket {
    /// Forgets the connections that `is_unwanted` picks; their next packets meet the rules anew. For a socket of
    /// [`Self::netfilter`].
    ///
    /// # Errors
    /// The kernel has no such table (`nf_conntrack_netlink`), or a connection cannot be forgotten.
    pub fn forget_connections(
        &mut self,
        is_unwanted: impl Fn(&Connection) -> bool,
    ) -> Result<(), Error> {
        let request = Request::new(GET, 0, "list the connections of the packet filter").body(&BODY);
        let unwanted = self.dump(&request, |message| read(message).filter(&is_unwanted))?;
        for connection in unwanted {
            let request = Request::new(DELETE, 0, "forget a connection of the packet filter")
                .body(&[connection.family, 0, 0, 0])
                .attribute(ORIGINAL, &connection.original)
                .attribute(ID, &connection.id);
            match self.send(&[request]) {
                // It ended meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                result => result?,
            }
        }
        Ok(())
    }
}

fn read(message: &Message<'_>) -> Option<Connection> {
    let attributes = message.attributes(BODY.len());
    if message.kind != NEW || attributes.get(ZONE).is_some() {
        return None;
    }
    let family = *message.payload.first()?;
    let original = attributes.get(ORIGINAL)?;
    let (protocol, _, destination) = read_tuple(original)?;
    let (_, answers_from, _) = read_tuple(attributes.get(ANSWERS)?)?;
    let (original, id) = (original.to_vec(), attributes.get(ID)?.to_vec());
    Some(Connection { protocol, destination, answers_from, family, original, id })
}

/// The protocol, and the source and destination of one direction.
fn read_tuple(tuple: &[u8]) -> Option<(u8, SocketAddr, SocketAddr)> {
    let tuple = Attributes::of(tuple);
    let (addresses, ports) = (Attributes::of(tuple.get(1)?), Attributes::of(tuple.get(2)?));
    let protocol = *ports.get(1)?.first()?;
    let side = |ipv4, ipv6, port| {
        let address = match addresses.get(ipv4) {
            Some(address) => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
            None => IpAddr::from(<[u8; 16]>::try_from(addresses.get(ipv6)?).ok()?),
        };
        let port = u16::from_be_bytes(ports.get(port)?.try_into().ok()?);
        Some(SocketAddr::new(address, port))
    };
    Some((protocol, side(1, 3, 2)?, side(2, 4, 3)?))
}
