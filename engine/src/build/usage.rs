//! What builds remember, and how much of the disk it takes.

use std::collections::HashMap;

use gantry_api::system::{BuildCacheRecord, Usage};
use gantry_build::Remembered;
use gantry_types::Digest;

use crate::Result;
use crate::engine::Engine;

/// One row for each step that made a layer; the others take nothing.
pub(crate) fn disk_usage(engine: &Engine) -> Result<Usage<BuildCacheRecord>> {
    let images = engine.images.readable_chains()?.readable;
    let images: Vec<Vec<Digest>> = images.into_iter().map(|(_, chain)| chain).collect();
    let pinned = engine.image_changes.pinned();
    let steps = engine.build_memory.list()?;
    let mut has: HashMap<Digest, usize> = HashMap::new();
    for layer in steps.iter().filter_map(|(_, step)| step.layer.as_ref()) {
        *has.entry(layer.blob.digest.clone()).or_default() += 1;
    }
    let row = |(key, step): (String, Remembered)| {
        let layer = step.layer?;
        let chain = step.below.iter().map(|layer| &layer.diff_id).chain([&layer.diff_id]);
        let chain: Vec<Digest> = chain.cloned().collect();
        let is_in = |all: &[Vec<Digest>]| all.iter().any(|one| one.starts_with(&chain));
        Some(BuildCacheRecord {
            id: key.strip_prefix("sha256:").map(str::to_owned).unwrap_or(key),
            parents: Vec::new(),
            r#type: "regular".to_owned(),
            description: step.text,
            in_use: is_in(&pinned),
            shared: has[&layer.blob.digest] > 1 || is_in(&images),
            size: i64::try_from(layer.blob.size).unwrap_or(i64::MAX),
            created_at: step.created.to_string(),
            last_used_at: (step.uses > 0).then(|| step.used.to_string()),
            usage_count: i64::try_from(step.uses).unwrap_or(i64::MAX),
        })
    };
    Ok(Usage::of_build_cache(steps.into_iter().filter_map(row).collect()))
}
