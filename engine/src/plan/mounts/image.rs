//! Images as read-only mounts.

use gantry_api::mount::Mount;
use gantry_types::Digest;
use serde::{Deserialize, Serialize};

use super::MountSource;

/// The files of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageSource {
    /// As the user called it.
    pub reference: String,
    /// Within the image; empty is all of it.
    pub subpath: String,
    /// The layers' diffIDs, lowest first, as they were when the container was made.
    pub chain: Vec<Digest>,
}

/// The error says why it is none.
pub(super) fn of_mount(mount: &Mount) -> Result<MountSource, String> {
    if mount.source.is_empty() {
        return Err("field Source must not be empty".to_owned());
    }
    let subpath = mount.image_options.clone().unwrap_or_default().subpath;
    if !subpath.is_empty() {
        check_subpath(&subpath)?;
    }
    Ok(MountSource::Image(ImageSource {
        reference: mount.source.clone(),
        subpath,
        chain: Vec::new(),
    }))
}

/// A path that stays where it is, whatever the links in it say later.
pub(super) fn check_subpath(path: &str) -> Result<(), String> {
    if path.contains('\0') {
        return Err(format!("invalid subpath {path:?}: it has a NUL byte in it"));
    }
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(format!("subpath must be a relative path within the volume: {path:?}"));
    }
    Ok(())
}
