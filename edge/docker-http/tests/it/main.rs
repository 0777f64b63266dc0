//! The server over real sockets, with a real engine over a data root of its own. No container runs here: that is for
//! the end-to-end tests, which have the programs that takes.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod containers;
mod crowd;
mod limits;
mod routes;
mod server;
mod streams;
