//! `GET /system/df`: what takes how much of the disk.

use serde::{Deserialize, Serialize};

use crate::container::ContainerSummary;
use crate::go;
use crate::image::ImageSummary;
use crate::volume::Volume;

/// What takes how much; the kinds that were not asked for are absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiskUsage {
    /// Images with their containers counted, and what they share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_usage: Option<Usage<ImageSummary>>,
    /// Containers with their sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_usage: Option<Usage<ContainerSummary>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_usage: Option<Usage<Volume>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_cache_usage: Option<Usage<BuildCacheRecord>>,
}

/// The result of a build's step, kept for later builds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BuildCacheRecord {
    #[serde(rename = "ID")]
    pub id: String,
    /// Records that it is made of.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "go::lenient")]
    pub parents: Vec<String>,
    /// `regular` is a step's result.
    pub r#type: String,
    /// What the step says.
    pub description: String,
    /// A build needs it now.
    pub in_use: bool,
    /// Others have its content, too.
    pub shared: bool,
    /// Bytes.
    pub size: i64,
    pub created_at: String,
    /// Nothing when nobody needed it again.
    pub last_used_at: Option<String>,
    /// How often it was needed again.
    pub usage_count: i64,
}

/// What one kind of object takes. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, bound(deserialize = "T: Deserialize<'de>"))]
pub struct Usage<T> {
    /// How many of them are in use.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub active_count: i64,
    /// Each of them; only for who asks for them.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "go::lenient")]
    pub items: Vec<T>,
    /// What is won by removing all that is not in use.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub reclaimable: i64,
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub total_count: i64,
    /// What several of them share counts once.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub total_size: i64,
}

impl<T> Default for Usage<T> {
    fn default() -> Self {
        Self { active_count: 0, items: Vec::new(), reclaimable: 0, total_count: 0, total_size: 0 }
    }
}

impl Usage<ImageSummary> {
    /// Sums up images whose containers and shared bytes are counted. `layers_bytes` is what all their layers take.
    pub fn of_images(items: Vec<ImageSummary>, layers_bytes: i64) -> Self {
        let used = items.iter().filter(|image| image.containers != 0);
        let used: i64 = used.map(|image| image.size - image.shared_size).sum();
        Self {
            active_count: count(items.iter().filter(|image| image.containers > 0)),
            reclaimable: (layers_bytes - used).max(0),
            total_count: count(items.iter()),
            total_size: layers_bytes,
            items,
        }
    }
}

impl Usage<ContainerSummary> {
    /// Sums up containers whose sizes are counted.
    pub fn of_containers(items: Vec<ContainerSummary>) -> Self {
        let is_active = |one: &&ContainerSummary| {
            matches!(one.state.as_str(), "running" | "paused" | "restarting")
        };
        let idle = items.iter().filter(|one| !is_active(one));
        Self {
            active_count: count(items.iter().filter(is_active)),
            reclaimable: idle.map(|one| one.size_rw).sum(),
            total_count: count(items.iter()),
            total_size: items.iter().map(|one| one.size_rw).sum(),
            items,
        }
    }
}

impl Usage<Volume> {
    /// Sums up volumes whose containers and sizes are counted.
    pub fn of_volumes(items: Vec<Volume>) -> Self {
        let sizes = |in_use: bool| {
            let counted = items.iter().filter_map(|volume| volume.usage_data.as_ref());
            let chosen = counted.filter(move |usage| in_use || usage.ref_count == 0);
            chosen.map(|usage| usage.size.max(0)).sum::<i64>()
        };
        let is_used =
            |volume: &&Volume| volume.usage_data.as_ref().is_some_and(|usage| usage.ref_count > 0);
        Self {
            active_count: count(items.iter().filter(is_used)),
            reclaimable: sizes(false),
            total_count: count(items.iter()),
            total_size: sizes(true),
            items,
        }
    }
}

impl Usage<BuildCacheRecord> {
    /// Sums up what builds remember.
    pub fn of_build_cache(items: Vec<BuildCacheRecord>) -> Self {
        // What others have, too, counts there.
        let own = || items.iter().filter(|one| !one.shared);
        Self {
            active_count: count(items.iter().filter(|one| one.in_use)),
            reclaimable: own().filter(|one| !one.in_use).map(|one| one.size).sum(),
            total_count: count(items.iter()),
            total_size: own().map(|one| one.size).sum(),
            items,
        }
    }
}

fn count(items: impl Iterator) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}
