//! What builds remember.

pub(crate) mod prune;
