//! Images: one file per endpoint, and the progress lines of the long ones.

pub(crate) mod create;
pub(crate) mod distribution;
pub(crate) mod history;
pub(crate) mod inspect;
pub(crate) mod layers;
pub(crate) mod list;
pub(crate) mod load;
mod progress;
pub(crate) mod prune;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod save;
pub(crate) mod search;
pub(crate) mod tag;
