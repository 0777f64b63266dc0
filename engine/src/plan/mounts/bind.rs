//! Binds: paths of the host.

use gantry_api::mount::Mount;
use serde::{Deserialize, Serialize};

use super::words::Words;
use super::{MountSource, refuse_nul};

pub(super) const PROPAGATIONS: [&str; 6] =
    ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
const DEFAULT_PROPAGATION: &str = "rprivate";

/// A path of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the mount")]
pub(crate) struct BindSource {
    pub path: String,
    /// Make a directory where nothing is; `-v` does, `--mount` does not.
    pub create: bool,
    pub recursive: bool,
    /// `rprivate` unless asked otherwise.
    pub propagation: String,
    /// Fail where a read-only mount cannot be read-only with all that lies below it.
    #[serde(default)]
    pub read_only_below: bool,
    /// Only the topmost mount of a read-only one is.
    #[serde(default)]
    pub writable_below: bool,
    /// The options as they were written, for `inspect`.
    pub mode: String,
}

/// A bind of `-v`.
pub(super) fn of_words(path: &str, words: &Words, mode: &str) -> BindSource {
    BindSource {
        path: path.to_owned(),
        create: true,
        recursive: true,
        propagation: words.propagation.clone().unwrap_or_else(|| DEFAULT_PROPAGATION.to_owned()),
        read_only_below: false,
        writable_below: false,
        mode: mode.to_owned(),
    }
}

/// A bind of `--mount`; the error says why it is none.
pub(super) fn of_mount(mount: &Mount) -> Result<MountSource, String> {
    let path = &mount.source;
    if path.is_empty() {
        return Err("field Source must not be empty".to_owned());
    }
    if !path.starts_with('/') {
        return Err(format!("invalid mount path: '{path}' mount path must be absolute"));
    }
    refuse_nul(path).map_err(|error| error.to_string())?;
    let options = mount.bind_options.clone().unwrap_or_default();
    let propagation = match options.propagation.as_str() {
        "" => DEFAULT_PROPAGATION,
        known if PROPAGATIONS.contains(&known) => known,
        other => return Err(format!("invalid propagation mode: {other}")),
    };
    let (force, top) = (options.read_only_force_recursive, options.read_only_non_recursive);
    let conflict = if force && top {
        Some("ReadOnlyForceRecursive and ReadOnlyNonRecursive exclude each other")
    } else if (force || top) && !mount.read_only {
        Some("ReadOnlyForceRecursive and ReadOnlyNonRecursive need ReadOnly")
    } else if force && options.non_recursive {
        Some("ReadOnlyForceRecursive excludes NonRecursive")
    } else if force && !matches!(propagation, "private" | "rprivate") {
        Some("ReadOnlyForceRecursive needs the propagation rprivate")
    } else {
        None
    };
    if let Some(conflict) = conflict {
        return Err(conflict.to_owned());
    }
    Ok(MountSource::Bind(BindSource {
        path: path.clone(),
        create: options.create_mountpoint,
        recursive: !options.non_recursive,
        propagation: propagation.to_owned(),
        read_only_below: force,
        writable_below: top,
        mode: String::new(),
    }))
}
