//! Commands on the daemon, and `inspect`, which looks at anything.

pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod version;
