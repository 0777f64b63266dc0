//! Relays between real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod tcp;
mod udp;
