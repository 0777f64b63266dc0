//! Commands on volumes.

pub(crate) mod clone;
pub(crate) mod create;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod prune;
pub(crate) mod remove;
pub(crate) mod rename;
pub(crate) mod update;
