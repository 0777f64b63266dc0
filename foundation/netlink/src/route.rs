//! rtnetlink: the network devices of a namespace, their addresses, and routes.

mod address;
mod gateway;
mod link;

pub use address::{Address, add as add_address};
pub use gateway::{add_route, default_route, no_default_route};
pub use link::{
    BridgePort, Link, LinkName, MacAddress, OnParent, Peer, close_bridge_port, make_bridge,
    make_on_parent, make_plain, make_veth, make_vlan, set_alias, set_bridge_port, set_up,
};
