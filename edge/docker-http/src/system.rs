//! The engine itself: one file per endpoint.

pub(crate) mod auth;
pub(crate) mod check;
pub(crate) mod df;
pub(crate) mod events;
pub(crate) mod info;
pub(crate) mod ping;
pub(crate) mod version;
