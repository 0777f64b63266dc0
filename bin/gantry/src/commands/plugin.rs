//! Commands on managed plugins.

pub(crate) mod create;
pub(crate) mod disable;
pub(crate) mod enable;
pub(crate) mod grant;
pub(crate) mod inspect;
pub(crate) mod install;
pub(crate) mod list;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod set;
pub(crate) mod upgrade;
