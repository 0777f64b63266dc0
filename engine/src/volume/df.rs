//! Volumes in `system df`: each with its size and its containers.

use gantry_api::volume::{Volume, VolumeUsage};

use super::{document, users};
use crate::engine::Engine;

/// Every volume with what it takes. Blocks, for as long as a walk over all files takes.
pub(crate) fn volumes(engine: &Engine) -> Vec<Volume> {
    let row = |volume: &gantry_volumes::Volume| {
        let count = users(engine, &volume.name, |_| true).len();
        // A plugin's volume cannot be looked at, nor one that goes just now.
        let size = match volume.is_local().then(|| engine.volumes.size(volume)) {
            Some(Ok(bytes)) => i64::try_from(bytes).unwrap_or(i64::MAX),
            _ => -1,
        };
        let ref_count = i64::try_from(count).unwrap_or(i64::MAX);
        let usage_data = Some(VolumeUsage { ref_count, size });
        Volume { usage_data, ..document(engine, volume) }
    };
    engine.volumes.list().iter().map(row).collect()
}
