//! rtnetlink: the network devices of a namespace, their addresses, and routes.

mod address;
mod gateway;
mod link;

pub use address::{Address, add as add_address};
pub use gateway::{default_route, no_default_route};
pub use link::{
    BridgePort, Link, LinkName, MacAddress, OnParent, Peer, make_bridge, make_on_parent, make_veth,
    make_vlan, set_alias, set_bridge_port,
};
