//! What builds remember, and how much of the disk it takes.

use std::collections::HashMap;

use gantry_api::system::{BuildCacheRecord, Usage};
use gantry_build::Remembered;
use gantry_types::{Digest, Timestamp};

use super::caches;
use crate::Result;
use crate::engine::Engine;

/// The type of a step's result, and of a cache mount.
pub(super) const STEP: &str = "regular";
pub(super) const MOUNT: &str = "exec.cachemount";

/// One thing that is remembered.
pub(super) struct Item {
    /// As it is told.
    pub(super) record: BuildCacheRecord,
    pub(super) what: What,
    /// When it was needed last.
    pub(super) used: Timestamp,
}

/// What it is.
pub(super) enum What {
    /// A step, by its key; its layer's blob, if it made one.
    Step { key: String, blob: Option<Digest> },
    /// A cache mount, by the name of its directory, and what builds call it.
    Mount { name: String, id: String },
}

/// One row for each step that made a layer, the others take nothing, and for each cache mount.
pub(crate) fn disk_usage(engine: &Engine) -> Result<Usage<BuildCacheRecord>> {
    let takes_something = |item: &Item| !matches!(item.what, What::Step { blob: None, .. });
    let items = items(engine)?.into_iter().filter(takes_something);
    Ok(Usage::of_build_cache(items.map(|item| item.record).collect()))
}

/// All that is remembered.
pub(super) fn items(engine: &Engine) -> Result<Vec<Item>> {
    let images = engine.images.readable_chains()?.readable;
    let images: Vec<Vec<Digest>> = images.into_iter().map(|(_, chain)| chain).collect();
    let pinned = engine.image_changes.pinned();
    let steps = engine.build_memory.list()?;
    let mut has: HashMap<Digest, usize> = HashMap::new();
    for layer in steps.iter().filter_map(|(_, step)| step.layer.as_ref()) {
        *has.entry(layer.blob.digest.clone()).or_default() += 1;
    }
    let step = |(key, step): (String, Remembered)| {
        let chain = step.below.iter().chain(&step.layer).map(|layer| layer.diff_id.clone());
        let chain: Vec<Digest> = chain.collect();
        let is_in = |all: &[Vec<Digest>]| all.iter().any(|one| one.starts_with(&chain));
        let blob = step.layer.as_ref().map(|layer| &layer.blob);
        let record = BuildCacheRecord {
            id: key.strip_prefix("sha256:").unwrap_or(&key).to_owned(),
            parents: Vec::new(),
            r#type: STEP.to_owned(),
            description: step.text,
            in_use: is_in(&pinned),
            shared: blob.is_some_and(|blob| has[&blob.digest] > 1) || is_in(&images),
            size: signed(blob.map_or(0, |blob| blob.size)),
            created_at: step.created.to_string(),
            last_used_at: (step.uses > 0).then(|| step.used.to_string()),
            usage_count: signed(step.uses),
        };
        let blob = blob.map(|blob| blob.digest.clone());
        Item { record, what: What::Step { key, blob }, used: step.used }
    };
    let mount = |caches::Listed { name, mount, bytes, is_in_use }: caches::Listed| {
        let record = BuildCacheRecord {
            id: name.clone(),
            parents: Vec::new(),
            r#type: MOUNT.to_owned(),
            description: format!("cached mount {}", mount.id),
            in_use: is_in_use,
            shared: false,
            size: signed(bytes),
            created_at: mount.created.to_string(),
            last_used_at: (mount.uses > 0).then(|| mount.used.to_string()),
            usage_count: signed(mount.uses),
        };
        Item { record, what: What::Mount { name, id: mount.id }, used: mount.used }
    };
    let mounts = caches::list(engine)?.into_iter().map(mount);
    Ok(steps.into_iter().map(step).chain(mounts).collect())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
