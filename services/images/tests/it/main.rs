//! The image store from outside: archives of every shape, honest and hostile, names, removal,
//! crashes and full disks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod crash;
mod fixture;
mod full;
mod hostile;
mod import;
mod load;
mod names;
mod remove;
mod rig;
mod save;
mod siblings;
mod startup;
mod tap;
mod transfers;
