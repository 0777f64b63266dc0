//! Commands on the daemon, and `inspect`, which looks at anything.

pub(crate) mod check;
pub(crate) mod df;
pub(crate) mod dial_stdio;
pub(crate) mod events;
pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod prune;
pub(crate) mod version;
