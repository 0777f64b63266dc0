//! A real shim with real containers (busybox), driven through `gantry-shims` as the daemon does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attach;
mod container;
mod containerd;
mod exec;
mod foreign;
mod life;
mod survival;
mod terminal;
