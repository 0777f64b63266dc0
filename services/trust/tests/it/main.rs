//! Policies and signatures as tools write them: keys and signatures are openssl's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bundles;
mod keys;
mod policies;
mod rig;
mod signatures;
