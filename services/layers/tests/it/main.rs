//! The layer store from outside: extracted layers, recipes that are really mounted, crashes.
//! They run as root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chains;
mod crash;
mod failures;
mod formats;
mod look;
mod scene;
mod stage;
mod writable;
