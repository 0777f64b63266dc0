//! Routes: which networks have a way, and the default gateway.

use std::net::IpAddr;

use crate::error::Error;
use crate::message::{Message, Request};
use crate::route::Link;
use crate::route::address::{address_of, octets};
use crate::socket::Socket;

const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;
/// `struct rtmsg`: family, length of the destination, of the source, service, table, protocol, scope, type, flags.
const BODY: usize = 12;
const CREATE: u16 = 0x400;
const REPLACE: u16 = 0x100;
const DESTINATION: u16 = 1;
const DEVICE: u16 = 4;
const GATEWAY: u16 = 5;
const MULTIPATH: u16 = 9;
/// A gateway of the other family.
const VIA: u16 = 18;
/// What only routes by gateways have.
const FAR: [u16; 3] = [GATEWAY, MULTIPATH, VIA];
const TABLE_MAIN: u8 = 254;
const PROTOCOL_BOOT: u8 = 3;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
/// Of a removal: any scope.
const SCOPE_NOWHERE: u8 = 255;
const UNICAST: u8 = 1;

/// Everything that has no way of its own goes to `gateway`, by this device, from now on.
pub fn default_route(link: &Link, gateway: IpAddr) -> Request {
    let (family, bytes) = octets(gateway);
    let body = [family, 0, 0, 0, TABLE_MAIN, PROTOCOL_BOOT, SCOPE_UNIVERSE, UNICAST, 0, 0, 0, 0];
    Request::new(NEWROUTE, CREATE | REPLACE, format!("make {gateway} the default gateway"))
        .body(&body)
        .attribute(GATEWAY, &bytes)
        .number(DEVICE, link.index)
}

/// What goes to this network goes by this device from now on: to a gateway, or straight to its neighbours.
pub fn add_route(link: &Link, (network, bits): (IpAddr, u8), gateway: Option<IpAddr>) -> Request {
    let (family, bytes) = octets(network);
    let scope = if gateway.is_some() { SCOPE_UNIVERSE } else { SCOPE_LINK };
    let body = [family, bits, 0, 0, TABLE_MAIN, PROTOCOL_BOOT, scope, UNICAST, 0, 0, 0, 0];
    let what = format!("add a route to {network}/{bits} by the network device {}", link.name);
    let request = Request::new(NEWROUTE, CREATE, what)
        .body(&body)
        .attribute(DESTINATION, &bytes)
        .number(DEVICE, link.index);
    match gateway {
        Some(gateway) => request.attribute(GATEWAY, &octets(gateway).1),
        None => request,
    }
}

/// What has no way of its own goes nowhere any more. `ESRCH` says that it was so before.
pub fn no_default_route(is_ipv4: bool) -> Request {
    let family = if is_ipv4 { 2 } else { 10 };
    let body = [family, 0, 0, 0, TABLE_MAIN, 0, SCOPE_NOWHERE, 0, 0, 0, 0, 0];
    Request::new(DELROUTE, 0, "remove the default gateway").body(&body)
}

impl Socket {
    /// The networks that are at this host's own devices by the main table. Who is behind a gateway may be anywhere: tunnels lead half of
    /// all addresses there.
    pub fn destinations(&mut self) -> Result<Vec<(IpAddr, u8)>, Error> {
        let request = Request::new(GETROUTE, 0, "list the routes").body(&[0; BODY]);
        self.dump(&request, |message: &Message<'_>| {
            let &[_, prefix, _, _, table, ..] = message.payload else { return None };
            if message.kind != NEWROUTE || table != TABLE_MAIN || prefix == 0 {
                return None;
            }
            let attributes = message.attributes(BODY);
            if FAR.iter().any(|kind| attributes.get(*kind).is_some()) {
                return None;
            }
            Some((address_of(attributes.get(DESTINATION)?)?, prefix))
        })
    }
}
