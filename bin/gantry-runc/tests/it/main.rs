//! The runtime through its command line, with real containers in temporary roots. They need root and Debian's `busybox-static`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attacks;
mod bed;
mod command_line;
mod exec;
mod failures;
mod handover;
mod life;
mod mounts;
mod process;
mod systemd;
mod terminal;
mod view;
