//! Networks against the kernel: each test has a network namespace of its own that plays the host. They need root and `nft`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod connections;
mod host;
mod isolation;
mod lifecycle;
mod packets;
mod published;
mod relayed;
mod subnets;
