//! The runtime through its command line, with real containers in temporary roots. They need root and Debian's `busybox-static`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attacks;
mod bed;
mod checkpoint;
mod classic;
mod command_line;
mod exec;
mod failures;
mod handover;
mod hooks;
mod join;
mod labels;
mod life;
mod limits;
mod mounts;
mod net_devices;
mod process;
mod rootless;
mod scheduling;
mod systemd;
mod terminal;
mod view;
