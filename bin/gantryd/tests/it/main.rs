//! The daemon as a program: who may start, what a refused start leaves behind, how it listens, and
//! what service managers, administrators and guards have to do with it. No container runs here.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod activation;
mod authorization;
mod daemon;
mod ending;
mod metrics;
mod notify;
mod one_daemon;
mod open_files;
mod reload;
mod sockets;
mod tls;
mod validate;
