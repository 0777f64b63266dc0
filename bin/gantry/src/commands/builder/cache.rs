//! What cache mounts of builds hold, taken elsewhere and back.

pub(crate) mod export;
pub(crate) mod import;
