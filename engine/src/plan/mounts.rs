//! Mounts that the user asked for: `-v`, `--mount` and `--tmpfs`, parsed and checked as far as that needs no I/O.

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
    if text.contains('\0') {
        return Err(Error::invalid("invalid mount path: it has a NUL byte in it"));
    }
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
    let mut bind = BindSource {
        path: source.to_owned(),
        create: true,
        recursive: true,
        propagation: DEFAULT_PROPAGATION.to_owned(),
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
        |why: &str| Error::invalid(format!("invalid mount config for type \"{kind}\": {why}"));
    if mount.target.is_empty() {
        return Err(invalid("field Target must not be empty"));
    }
    let source = match kind {
        "bind" => {
            if mount.source.is_empty() {
                return Err(invalid("field Source must not be empty"));
            }
            if !mount.source.starts_with('/') {
                return Err(invalid(&format!(
                    "invalid mount path: '{}' mount path must be absolute",
                    mount.source
                )));
            }
            let options = mount.bind_options.clone().unwrap_or_default();
            let propagation = match options.propagation.as_str() {
                "" => DEFAULT_PROPAGATION,
                known if PROPAGATIONS.contains(&known) => known,
                other => return Err(invalid(&format!("invalid propagation mode: {other}"))),
            };
            MountSource::Bind(BindSource {
                path: mount.source.clone(),
                create: options.create_mountpoint,
                recursive: !options.non_recursive,
                propagation: propagation.to_owned(),
                mode: String::new(),
            })
        }
        "tmpfs" => {
            if !mount.source.is_empty() {
                return Err(invalid("field Source must not be specified"));
            }
            let options = mount.tmpfs_options.clone().unwrap_or_default();
            let mut words = default_tmpfs_options();
            if options.size_bytes > 0 {
                words.push(format!("size={}", options.size_bytes));
            }
            if options.mode != 0 {
                words.push(format!("mode={:o}", options.mode));
            }
            words.extend(options.options.iter().map(|pair| pair.join("=")));
            MountSource::Tmpfs { options: words }
        }
        _ => return Err(invalid("mount type unknown")),
    };
    Ok(MountPlan { target: target(&mount.target)?, source, read_only: mount.read_only })
}

fn default_tmpfs_options() -> Vec<String> {
    ["nosuid", "nodev", "noexec"].map(str::to_owned).to_vec()
}

/// `--tmpfs target[:options]`; an option takes away the default that it contradicts.
fn parse_tmpfs(to: &str, options: &str) -> Result<MountPlan, Error> {
    let mut words = default_tmpfs_options();
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let key = option.split_once('=').map_or(option, |(key, _)| key);
        match key {
            "exec" | "suid" | "dev" => words.retain(|word| *word != format!("no{key}")),
            "ro" => read_only = true,
            "rw" | "noexec" | "nosuid" | "nodev" => {}
            "size" | "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks" | "mpol" | "noatime"
            | "nodiratime" | "relatime" | "strictatime" | "sync" | "async" | "dirsync" => {
                words.push(option.to_owned());
            }
            _ => return Err(Error::invalid(format!("invalid tmpfs option [\"{option}\"]"))),
        }
    }
    Ok(MountPlan { target: target(to)?, source: MountSource::Tmpfs { options: words }, read_only })
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
