//! Builds in a made workshop: its layers are archives in memory, and its commands are what the test says. What runs for real is tested
//! end to end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod keys;
mod made_workshop;
mod mischief;
mod mounts;
mod solving;
mod sources;
