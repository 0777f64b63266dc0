//! Volumes as a container wants them.

use std::collections::BTreeMap;

use gantry_api::mount::Mount;
use gantry_volumes::{LOCAL, VolumeName};
use serde::{Deserialize, Serialize};

use super::words::Words;
use super::{MountSource, image};
use crate::error::Error;

/// A volume, made when it is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeSource {
    /// One without a name gets a random one when the container is made.
    pub name: Option<VolumeName>,
    /// Goes with the container, when volumes are removed with it.
    pub anonymous: bool,
    /// Empty leaves it to the volume.
    pub driver: String,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// An empty volume takes what the image has at the target.
    pub copy: bool,
    /// Within the volume; empty is all of it.
    pub subpath: String,
    /// The options as they were written, for `inspect`.
    pub mode: String,
    /// Where its files are on the host, once it is made.
    pub path: String,
}

impl VolumeSource {
    /// An anonymous one, as images ask for.
    pub(super) fn nameless(driver: &str) -> Self {
        Self {
            name: None,
            anonymous: true,
            driver: driver.to_owned(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            copy: true,
            subpath: String::new(),
            mode: String::new(),
            path: String::new(),
        }
    }

    pub(crate) fn name_text(&self) -> &str {
        self.name.as_ref().map_or("", VolumeName::as_str)
    }
}

/// A volume of `-v`, nameless without a source.
pub(super) fn of_words(
    source: &str,
    words: &Words,
    (mode, driver): (&str, &str),
) -> Result<VolumeSource, Error> {
    if words.propagation.is_some() {
        return Err(Error::invalid(
            "invalid mount config for type \"volume\": field BindOptions must not be specified",
        ));
    }
    Ok(VolumeSource {
        name: name(source).map_err(Error::invalid)?,
        anonymous: source.is_empty(),
        copy: !words.no_copy,
        // As Docker's local driver shows a mode that nobody wrote.
        mode: if mode.is_empty() { "z".to_owned() } else { mode.to_owned() },
        ..VolumeSource::nameless(driver)
    })
}

/// A volume of `--mount`, which chooses a driver of its own; the error says why it is none.
pub(super) fn of_mount(mount: &Mount) -> Result<MountSource, String> {
    let options = mount.volume_options.clone().unwrap_or_default();
    if !options.subpath.is_empty() {
        if mount.source.is_empty() {
            return Err("must not set Subpath when using anonymous volumes".to_owned());
        }
        image::check_subpath(&options.subpath)?;
    }
    let config = options.driver_config.unwrap_or_default();
    Ok(MountSource::Volume(VolumeSource {
        name: name(&mount.source)?,
        anonymous: mount.source.is_empty(),
        driver: config.name,
        options: config.options,
        labels: options.labels,
        copy: !options.no_copy,
        subpath: options.subpath,
        mode: "z".to_owned(),
        path: String::new(),
    }))
}

fn name(source: &str) -> Result<Option<VolumeName>, String> {
    if source.is_empty() {
        return Ok(None);
    }
    source.parse().map(Some).map_err(|error| format!("create {source}: {error}"))
}

impl VolumeSource {
    /// Whether its files are a directory of the local driver.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.driver.as_str(), "" | LOCAL)
    }
}
