//! `GET /system/df`: what takes how much of the disk.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::container::ContainerSummary;
use crate::go;
use crate::image::ImageSummary;

/// What takes how much; the kinds that were not asked for are absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiskUsage {
    /// Bytes of all layers of images, each counted once.
    #[serde(deserialize_with = "go::lenient")]
    pub layers_size: i64,
    /// With their containers counted, and what they share.
    pub images: Option<Vec<ImageSummary>>,
    /// With their sizes.
    pub containers: Option<Vec<ContainerSummary>>,
    /// There are none yet.
    pub volumes: Option<Vec<Value>>,
    /// There is none yet.
    pub build_cache: Option<Vec<Value>>,
}
