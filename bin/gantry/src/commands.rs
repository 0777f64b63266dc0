//! The commands, one file each, by what they work on.

mod archive;
pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod builds;
mod confirm;
pub(crate) mod container;
pub(crate) mod image;
pub(crate) mod network;
pub(crate) mod plugin;
mod progress;
pub(crate) mod registry;
pub(crate) mod system;
pub(crate) mod volume;

/// A filter as the user writes it: `key=value`.
pub(crate) fn filter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_ascii_lowercase(), value.trim().to_owned()))
        }
        _ => Err("bad format of filter (expected name=value)".to_owned()),
    }
}
