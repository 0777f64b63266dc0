//! A real shim with real containers (busybox), driven through `gantry-shims` as the daemon does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attach;
mod attacks;
mod bootstrap;
mod bundle;
mod caller;
mod checkpoint;
mod container;
mod containerd;
mod events;
mod exec;
mod fifo;
mod filters;
mod foreign;
mod group;
mod hostile;
mod life;
mod logger;
mod other_runtime;
mod stuck;
mod survival;
mod terminal;
mod waiting;
