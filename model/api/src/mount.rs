//! Mounts: as asked for (`Mount`) and as they are (`MountPoint`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::go;

/// One entry of `HostConfig.Mounts`, as `--mount` sends it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, `image`, `npipe` or `cluster`.
    pub r#type: String, //o
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub source: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub target: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub read_only: bool,
    /// For other systems' file sharing; without effect on Linux.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub consistency: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub bind_options: Option<BindOptions>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub volume_options: Option<VolumeOptions>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub image_options: Option<ImageOptions>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub tmpfs_options: Option<TmpfsOptions>,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub cluster_options: Option<ClusterOptions>,
}

/// How a host path is bound.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BindOptions {
    /// `private`, `rprivate`, `shared`, `rshared`, `slave`, `rslave`; empty is `rprivate`.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub propagation: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub non_recursive: bool,
    /// Make the host directory when it is missing.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub create_mountpoint: bool,
    /// Only the topmost mount is read-only.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub read_only_non_recursive: bool,
    /// Fail when not every mount below can be read-only.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub read_only_force_recursive: bool,
}

/// How a volume is mounted, and made when it is missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeOptions {
    /// Do not fill an empty volume with the image's content.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub no_copy: bool,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub labels: BTreeMap<String, String>,
    /// A path within the volume (from 1.45).
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub subpath: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub driver_config: Option<MountDriver>,
}

/// Which volume driver makes the volume.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountDriver {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub name: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub options: BTreeMap<String, String>,
}

/// How an image is mounted (from 1.48).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageOptions {
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub subpath: String,
}

/// A tmpfs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TmpfsOptions {
    /// Bytes; zero is the kernel's default.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub size_bytes: i64,
    /// The directory's mode bits.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub mode: u32,
    /// Each one flag, or a key and its value (from 1.46).
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub options: Vec<Vec<String>>,
}

/// A cluster volume; without options of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterOptions {}

/// One mount of a container as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPoint {
    pub r#type: String, //o
    /// The volume's name.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub name: String,
    /// The path on the host.
    #[serde(deserialize_with = "go::lenient")]
    pub source: String,
    #[serde(deserialize_with = "go::lenient")]
    pub destination: String,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub driver: String,
    /// The options as they were written.
    #[serde(deserialize_with = "go::lenient")]
    pub mode: String,
    #[serde(rename = "RW", deserialize_with = "go::lenient")]
    pub rw: bool,
    #[serde(deserialize_with = "go::lenient")]
    pub propagation: String,
}
