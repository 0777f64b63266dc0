//! rtnetlink: the network devices of a namespace, their addresses, and routes.

mod address;
mod gateway;
mod link;

pub use address::{Address, add as add_address};
pub use gateway::default_route;
pub use link::{
    Link, LinkName, MacAddress, Peer, allow_hairpin, make_bridge, make_veth, set_alias,
};
