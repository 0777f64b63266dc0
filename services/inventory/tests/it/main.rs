//! Roots with the databases of package managers, and what is found in them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod databases;
mod mischief;
mod rpm;
