//! Images: one file per endpoint.

pub(crate) mod attestations;
pub(crate) mod create;
pub(crate) mod distribution;
pub(crate) mod history;
pub(crate) mod inspect;
pub(crate) mod layers;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod prune;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod save;
pub(crate) mod search;
pub(crate) mod tag;
