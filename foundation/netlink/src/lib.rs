//! Netlink (`netlink(7)`): messages, a socket that sends them in batches, rtnetlink's links, addresses and routes
//! (`rtnetlink(7)`), the packet filter's tables (`nft(8)`), and its connections.
//!
//! Synchronous and without allocation beyond a message's own bytes. A [`Socket`] stays in the network namespace that its maker stood
//! in, wherever that one goes later. What a link is moved or renamed for is the business of the crates above.
//!
//! ```text
//! let mut socket = Socket::route()?;
//! let eth0 = socket.link("eth0")?;
//! socket.send(&[eth0.rename("lan0")?, eth0.up()])?;      // one system call, one answer each
//! ```

mod connections;
mod error;
mod message;
pub mod nftables;
pub mod route;
mod socket;

pub use connections::Connection;
pub use error::Error;
pub use message::{Attributes, Message, Request};
pub use socket::Socket;
