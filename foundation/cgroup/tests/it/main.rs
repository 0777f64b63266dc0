//! Tests on this machine's own hierarchies. Each makes cgroups of its own name and removes them.

#![allow(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

mod devices;
mod life;
mod limits;
mod place;
