//! The layer store from outside: extracted layers, recipes that are really mounted, crashes.
//! They run as root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chains;
mod crash;
mod damage;
mod disks;
mod draw;
mod failures;
mod formats;
mod keep;
mod look;
mod points;
mod random;
mod scene;
mod split;
mod stage;
mod writable;
