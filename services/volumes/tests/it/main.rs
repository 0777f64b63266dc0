//! The store of volumes as a whole, on a directory of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod life;
mod mounts;
mod recovery;
mod rig;
