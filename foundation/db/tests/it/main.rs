//! The store as its users meet it: whole files, other processes, sudden death, full disks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod file;
mod full;
