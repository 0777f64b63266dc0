//! Volumes of plugins: what the plugin is asked, in the words of Docker's `VolumeDriver`.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use gantry_types::ErrorKind;
use gantry_volumes::{LOCAL, Pins, Volume, VolumeName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tell;
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::plugin::{full_name, open_place, told_path};

const KIND: &str = "VolumeDriver";

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    opts: Option<&'a BTreeMap<String, String>>,
    #[serde(rename = "ID", skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

impl<'a> Request<'a> {
    fn of(name: &'a VolumeName) -> Self {
        Self { name: name.as_str(), opts: None, user: None }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Nothing {}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mounted {
    mountpoint: Option<String>,
}

/// What a plugin tells of one of its volumes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Told {
    pub mountpoint: Option<String>,
    pub status: Option<BTreeMap<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Got {
    volume: Told,
}

fn ask<T: serde::de::DeserializeOwned>(
    engine: &Engine,
    driver: &str,
    method: &str,
    request: &Request<'_>,
) -> Result<T> {
    Ok(engine.plugins.call(driver, KIND, method, request)?)
}

/// Makes a volume, or finds it; a new one of a plugin is made by the plugin first. Blocks.
pub(super) fn create(
    engine: &Engine,
    name: &VolumeName,
    options: gantry_volumes::CreateOptions,
    pins: &mut Pins,
) -> Result<(Volume, bool)> {
    // Our own has its name, whatever a plugin is called.
    let is_foreign = !matches!(options.driver.as_str(), "" | LOCAL);
    let full = if is_foreign { full_name(engine, &options.driver) } else { None };
    let driver = full.unwrap_or_else(|| options.driver.clone());
    let options = gantry_volumes::CreateOptions { driver: driver.clone(), ..options };
    let is_new = is_foreign && engine.volumes.find(name.as_str()).is_err();
    if is_new {
        let request = Request { opts: Some(&options.options), ..Request::of(name) };
        let asked = ask::<Nothing>(engine, &driver, "Create", &request);
        asked.map_err(|error| match error {
            Error::Plugins(source) if source.kind() == ErrorKind::NotFound => {
                let (volume, driver, source) = (name.to_string(), driver.clone(), Box::new(source));
                Error::VolumeDriver { volume, driver, source }
            }
            other => other,
        })?;
    }
    let made = engine.volumes.create_pinned(name, options, gantry_sys::clock::now(), pins)?;
    if made.1 {
        if is_foreign && let Some(path) = told(engine, &made.0)?.mountpoint {
            engine.volumes.set_plugin_path(name, &path)?;
        }
        tell(engine, "create", &made.0);
    }
    Ok(made)
}

/// What the plugin says of a volume.
pub(super) fn told(engine: &Engine, volume: &Volume) -> Result<Told> {
    let got: Got = ask(engine, &volume.driver, "Get", &Request::of(&volume.name))?;
    let path = got.volume.mountpoint.filter(|path| !path.is_empty());
    Ok(Told { mountpoint: path.map(|path| told_path(engine, &volume.driver, &path)), ..got.volume })
}

/// Has the plugin forget a volume.
pub(super) fn remove(engine: &Engine, volume: &Volume) -> Result<()> {
    ask::<Nothing>(engine, &volume.driver, "Remove", &Request::of(&volume.name)).map(drop)
}

/// Where a plugin has mounted a volume: a path of the host's, or a directory of a managed plugin's, which is held open.
pub(super) enum Place {
    Path(String),
    Held(OwnedFd),
}

/// Has the plugin mount a volume for a container; where it is then.
pub(super) fn mount(engine: &Engine, volume: &Volume, user: &str) -> Result<Place> {
    let request = Request { user: Some(user), ..Request::of(&volume.name) };
    let mounted: Mounted = ask(engine, &volume.driver, "Mount", &request)?;
    let place = place_of(engine, volume, mounted);
    if place.is_err() {
        // It is mounted, and nobody will ask for the end of that.
        unmount(engine, volume, user).unwrap_or_else(|error| {
            tracing::warn!(
                error = gantry_types::error_chain(&error),
                "a plugin keeps a volume mounted"
            );
        });
    }
    place
}

fn place_of(engine: &Engine, volume: &Volume, mounted: Mounted) -> Result<Place> {
    let path = mounted.mountpoint.filter(|path| path.starts_with('/'));
    let no_path = || {
        let (driver, name) = (&volume.driver, &volume.name);
        Error::invalid(format!("the plugin {driver} does not say where the volume {name} is"))
    };
    let path = path.ok_or_else(no_path)?;
    let shown = told_path(engine, &volume.driver, &path);
    engine.volumes.set_plugin_path(&volume.name, &shown)?;
    let held = open_place(engine, &volume.driver, &path)?;
    Ok(held.map_or(Place::Path(path), Place::Held))
}

/// The container needs it no longer.
pub(super) fn unmount(engine: &Engine, volume: &Volume, user: &str) -> Result<()> {
    let request = Request { user: Some(user), ..Request::of(&volume.name) };
    ask::<Nothing>(engine, &volume.driver, "Unmount", &request).map(drop)
}
