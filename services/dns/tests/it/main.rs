//! Name servers in network namespaces of their own, asked over real sockets. They need root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod forwarding;
mod names;
mod place;
mod streams;
