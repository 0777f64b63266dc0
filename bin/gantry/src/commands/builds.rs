//! Builds that were.

pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod prune;
pub(crate) mod remove;
