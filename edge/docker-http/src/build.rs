//! Builds: one file per endpoint.

pub(crate) mod prune;
pub(crate) mod start;
