//! rtnetlink: the network devices of a namespace and their addresses.

mod address;
mod link;

pub use address::Address;
pub use link::{Link, LinkName};
