//! Mounts that the user asked for: `-v`, `--mount` and `--tmpfs`, parsed and checked as far as that needs no I/O.

mod tmpfs;

use gantry_api::container::HostConfig;
use gantry_api::mount::{Mount, MountPoint};
use serde::{Deserialize, Serialize};

use crate::error::Error;

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
    /// With the options of `tmpfs(5)`.
    Tmpfs {
        options: Vec<String>,
    },
}

/// A path of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BindSource {
    pub path: String,
    /// Make a directory where nothing is; `-v` does, `--mount` does not.
    pub create: bool,
    pub recursive: bool,
    /// `rprivate` unless asked otherwise.
    pub propagation: String,
    /// Read-only mounts are read-only with all that lies below them.
    #[serde(default)]
    pub read_only_below: bool,
    /// The options as they were written, for `inspect`.
    pub mode: String,
}

const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
const DEFAULT_PROPAGATION: &str = "rprivate";

/// All mounts, shallow targets first, so that a mount never hides one that was made before it.
pub(super) fn resolve(host: &HostConfig) -> Result<Vec<MountPlan>, Error> {
    let mut mounts = Vec::new();
    for bind in &host.binds {
        mounts.push(parse_bind(bind)?);
    }
    for mount in &host.mounts {
        mounts.push(parse_mount(mount)?);
    }
    for (target, options) in &host.tmpfs {
        mounts.push(parse_tmpfs(target, options)?);
    }
    mounts.sort_by_key(|mount: &MountPlan| (depth(&mount.target), mount.target.clone()));
    for pair in mounts.windows(2) {
        if pair[0].target == pair[1].target {
            return Err(Error::invalid(format!("Duplicate mount point: {}", pair[0].target)));
        }
    }
    Ok(mounts)
}

fn depth(path: &str) -> usize {
    path.bytes().filter(|byte| *byte == b'/').count()
}

/// The target without `.`, `..` and repeated slashes; the root itself cannot be a target.
fn target(text: &str) -> Result<String, Error> {
    refuse_nul(text)?;
    if !text.starts_with('/') {
        return Err(Error::invalid(format!(
            "invalid mount path: '{text}' mount path must be absolute"
        )));
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
        return Err(Error::invalid("invalid specification: destination can't be '/'"));
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

/// `source:target[:options]` of `-v`.
fn parse_bind(text: &str) -> Result<MountPlan, Error> {
    let invalid = || Error::invalid(format!("invalid volume specification: '{text}'"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, to, mode) = match parts[..] {
        [_] => return Err(Error::not_there_yet("anonymous volumes (-v /path)")),
        [source, to] => (source, to, ""),
        [source, to, mode] => (source, to, mode),
        _ => return Err(invalid()),
    };
    if source.is_empty() || to.is_empty() {
        return Err(invalid());
    }
    if !source.starts_with('/') {
        return Err(Error::not_there_yet(format!(
            "named volumes (-v {source}:{to}); an absolute path of the host works"
        )));
    }
    refuse_nul(source)?;
    let mut bind = BindSource {
        path: source.to_owned(),
        create: true,
        recursive: true,
        propagation: DEFAULT_PROPAGATION.to_owned(),
        read_only_below: false,
        mode: mode.to_owned(),
    };
    let mut read_only = false;
    for option in mode.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" | "readonly" => read_only = true,
            // SELinux labels: this build knows no host with SELinux, where they mean something.
            "rw" | "z" | "Z" | "nocopy" | "consistent" | "cached" | "delegated" => {}
            option if PROPAGATIONS.contains(&option) => option.clone_into(&mut bind.propagation),
            _ => return Err(Error::invalid(format!("invalid mode: {mode}"))),
        }
    }
    Ok(MountPlan { target: target(to)?, source: MountSource::Bind(bind), read_only })
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
        "bind" => (bind_source(mount).map_err(invalid)?, mount.read_only),
        "tmpfs" => {
            let (source, read_only) = tmpfs_source(mount).map_err(invalid)?;
            (source, mount.read_only || read_only)
        }
        _ => return Err(invalid("mount type unknown".to_owned())),
    };
    if let Some(field) = foreign_options(mount) {
        return Err(invalid(format!("field {field} must not be specified")));
    }
    Ok(MountPlan { target: target(&mount.target)?, source, read_only })
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

/// A bind; the error says why it is none.
fn bind_source(mount: &Mount) -> Result<MountSource, String> {
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
    Ok(MountSource::Bind(BindSource {
        path: path.clone(),
        create: options.create_mountpoint,
        recursive: !options.non_recursive,
        propagation: propagation.to_owned(),
        read_only_below: options.read_only_force_recursive,
        mode: String::new(),
    }))
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
    Ok(MountPlan { target: target(to)?, source, read_only })
}

impl MountPlan {
    /// The mount as `inspect` shows it.
    pub(crate) fn to_mount_point(&self) -> MountPoint {
        let (kind, source, mode, propagation) = match &self.source {
            MountSource::Bind(bind) => ("bind", &*bind.path, &*bind.mode, &*bind.propagation),
            MountSource::Tmpfs { .. } => ("tmpfs", "", "", ""),
        };
        MountPoint {
            r#type: kind.to_owned(),
            source: source.to_owned(),
            destination: self.target.clone(),
            mode: mode.to_owned(),
            rw: !self.read_only,
            propagation: propagation.to_owned(),
            ..MountPoint::default()
        }
    }
}
