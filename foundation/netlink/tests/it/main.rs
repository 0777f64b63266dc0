//! Against the kernel: each test has a network namespace of its own, which goes with the test's thread. They need root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bridges;
mod devices;
mod packet_filter;
