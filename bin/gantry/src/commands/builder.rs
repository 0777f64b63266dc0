//! What builds remember.

pub(crate) mod cache;
pub(crate) mod disk_usage;
pub(crate) mod prune;
