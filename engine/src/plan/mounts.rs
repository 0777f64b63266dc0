//! Mounts that the user asked for: `-v`, `--mount` and `--tmpfs`, parsed and checked as far as that needs no I/O.

mod bind;
mod image;
mod inherited;
mod tmpfs;
mod volume;
mod words;

use gantry_api::container::HostConfig;
use gantry_api::mount::{Mount, MountPoint};
use serde::{Deserialize, Serialize};

use crate::error::Error;

pub(crate) use bind::BindSource;
pub(crate) use image::ImageSource;
pub(crate) use inherited::{VolumesFrom, complete as complete_mounts};
pub(crate) use volume::VolumeSource;
pub(crate) use words::Relabel;

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountPlan {
    /// Absolute path in the container, normalised.
    pub target: String,
    pub source: MountSource,
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MountSource {
    Bind(BindSource),
    Volume(VolumeSource),
    Image(ImageSource),
    /// With the options of `tmpfs(5)`.
    Tmpfs {
        options: Vec<String>,
    },
}

/// All mounts, shallow targets first, so that a mount never hides one that was made before it.
pub(super) fn resolve(host: &HostConfig) -> Result<Vec<MountPlan>, Error> {
    let mut mounts = Vec::new();
    for bind in &host.binds {
        mounts.push(parse_bind(bind, &host.volume_driver)?);
    }
    for mount in &host.mounts {
        mounts.push(parse_mount(mount)?);
    }
    for (target, options) in &host.tmpfs {
        mounts.push(parse_tmpfs(target, options)?);
    }
    sort(&mut mounts);
    for pair in mounts.windows(2) {
        if pair[0].target == pair[1].target {
            return Err(Error::invalid(format!("Duplicate mount point: {}", pair[0].target)));
        }
    }
    Ok(mounts)
}

fn sort(mounts: &mut [MountPlan]) {
    mounts.sort_by_key(|mount: &MountPlan| (depth(&mount.target), mount.target.clone()));
}

fn depth(path: &str) -> usize {
    path.bytes().filter(|byte| *byte == b'/').count()
}

/// The target without `.`, `..` and repeated slashes; the root itself cannot be a target.
fn target(text: &str) -> Result<String, String> {
    refuse_nul(text).map_err(|error| error.to_string())?;
    if !text.starts_with('/') {
        return Err(format!("invalid mount path: '{text}' mount path must be absolute"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err("invalid specification: destination can't be '/'".to_owned());
    }
    Ok(format!("/{}", parts.join("/")))
}

fn refuse_nul(path: &str) -> Result<(), Error> {
    if path.contains('\0') {
        return Err(Error::invalid(format!(
            "invalid mount path {path:?}: it has a NUL byte in it"
        )));
    }
    Ok(())
}

/// `[source:]target[:options]` of `-v`. A source that is no absolute path names a volume.
fn parse_bind(text: &str, driver: &str) -> Result<MountPlan, Error> {
    let invalid = || Error::invalid(format!("invalid volume specification: '{text}'"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, to, mode) = match parts[..] {
        [to] => ("", to, ""),
        [source, to] if !source.is_empty() => (source, to, ""),
        [source, to, mode] if !source.is_empty() => (source, to, mode),
        _ => return Err(invalid()),
    };
    if to.is_empty() {
        return Err(invalid());
    }
    refuse_nul(source)?;
    refuse_nul(to)?;
    let words = words::parse(mode)?;
    let (kind, source) = if source.starts_with('/') {
        ("bind", MountSource::Bind(bind::of_words(source, &words, mode)))
    } else {
        ("volume", MountSource::Volume(volume::of_words(source, &words, (mode, driver))?))
    };
    let target = target(to).map_err(|why| {
        let config = format!("invalid mount config for type \"{kind}\": {why}");
        Error::invalid(format!("invalid volume specification: '{text}': {config}"))
    })?;
    Ok(MountPlan { target, source, read_only: words.read_only })
}

/// One entry of `--mount`.
fn parse_mount(mount: &Mount) -> Result<MountPlan, Error> {
    let kind = mount.r#type.as_str();
    let invalid =
        |why: String| Error::invalid(format!("invalid mount config for type \"{kind}\": {why}"));
    if mount.target.is_empty() {
        return Err(invalid("field Target must not be empty".to_owned()));
    }
    let (source, read_only) = match kind {
        "bind" => (bind::of_mount(mount).map_err(invalid)?, mount.read_only),
        "volume" => (volume::of_mount(mount).map_err(invalid)?, mount.read_only),
        // Nobody writes into an image.
        "image" => (image::of_mount(mount).map_err(invalid)?, true),
        "tmpfs" => {
            let (source, read_only) = tmpfs_source(mount).map_err(invalid)?;
            (source, mount.read_only || read_only)
        }
        _ => return Err(invalid("mount type unknown".to_owned())),
    };
    if let Some(field) = foreign_options(mount) {
        return Err(invalid(format!("field {field} must not be specified")));
    }
    Ok(MountPlan { target: target(&mount.target).map_err(invalid)?, source, read_only })
}

/// Options that belong to another type of mount.
fn foreign_options(mount: &Mount) -> Option<&'static str> {
    let options = [
        ("bind", "BindOptions", mount.bind_options.is_some()),
        ("volume", "VolumeOptions", mount.volume_options.is_some()),
        ("image", "ImageOptions", mount.image_options.is_some()),
        ("tmpfs", "TmpfsOptions", mount.tmpfs_options.is_some()),
        ("cluster", "ClusterOptions", mount.cluster_options.is_some()),
    ];
    let foreign = |(kind, _, is_given): &(&str, &str, bool)| *is_given && *kind != mount.r#type;
    options.into_iter().find(foreign).map(|(_, field, _)| field)
}

/// A tmpfs, and whether its options make it read-only; the error says why it is none.
fn tmpfs_source(mount: &Mount) -> Result<(MountSource, bool), String> {
    if !mount.source.is_empty() {
        return Err("field Source must not be specified".to_owned());
    }
    let asked = mount.tmpfs_options.clone().unwrap_or_default();
    if asked.size_bytes < 0 {
        return Err(format!("invalid size: {} bytes are less than 0", asked.size_bytes));
    }
    if asked.options.iter().any(|pair| !matches!(pair.len(), 1 | 2)) {
        return Err("invalid option array length".to_owned());
    }
    let mut words: Vec<String> = asked.options.iter().map(|pair| pair.join("=")).collect();
    if asked.mode != 0 {
        words.insert(0, format!("mode={:o}", asked.mode));
    }
    if asked.size_bytes > 0 {
        words.insert(0, format!("size={}", asked.size_bytes));
    }
    let options = tmpfs::parse(words.iter().map(String::as_str))
        .map_err(|option| format!("invalid option: {}", option.escape_debug()))?;
    let read_only = options.read_only.unwrap_or_default();
    Ok((MountSource::Tmpfs { options: options.words }, read_only))
}

/// `--tmpfs target[:options]`.
fn parse_tmpfs(to: &str, options: &str) -> Result<MountPlan, Error> {
    let given = options.split(',').filter(|option| !option.is_empty());
    let options = tmpfs::parse(given)
        .map_err(|option| Error::invalid(format!("invalid tmpfs option [{option:?}]")))?;
    let read_only = options.read_only.unwrap_or_default();
    let source = MountSource::Tmpfs { options: options.words };
    Ok(MountPlan { target: target(to).map_err(Error::invalid)?, source, read_only })
}

impl MountPlan {
    /// The volume that is mounted, if it is one.
    pub(crate) fn volume(&self) -> Option<&VolumeSource> {
        match &self.source {
            MountSource::Volume(volume) => Some(volume),
            _ => None,
        }
    }

    /// The mount as `inspect` shows it.
    pub(crate) fn to_mount_point(&self) -> MountPoint {
        let point = MountPoint {
            destination: self.target.clone(),
            rw: !self.read_only,
            ..MountPoint::default()
        };
        match &self.source {
            MountSource::Bind(bind) => MountPoint {
                r#type: "bind".to_owned(),
                source: bind.path.clone(),
                mode: bind.mode.clone(),
                propagation: bind.propagation.clone(),
                ..point
            },
            MountSource::Volume(volume) => MountPoint {
                r#type: "volume".to_owned(),
                name: volume.name_text().to_owned(),
                source: volume.path.clone(),
                driver: volume.driver.clone(),
                mode: volume.mode.clone(),
                ..point
            },
            MountSource::Image(image) => {
                MountPoint { r#type: "image".to_owned(), source: image.reference.clone(), ..point }
            }
            MountSource::Tmpfs { .. } => MountPoint { r#type: "tmpfs".to_owned(), ..point },
        }
    }
}
