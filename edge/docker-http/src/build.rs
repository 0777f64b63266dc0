//! Builds: one file per endpoint.

mod around;
pub(crate) mod cache_mount;
pub(crate) mod cancel;
pub(crate) mod exchange;
pub(crate) mod history_inspect;
pub(crate) mod history_list;
pub(crate) mod history_logs;
pub(crate) mod history_prune;
pub(crate) mod history_remove;
pub(crate) mod prune;
mod results;
pub(crate) mod start;
