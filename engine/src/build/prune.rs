//! What builds remember, and forgetting it.

use std::collections::HashSet;

use gantry_types::Digest;

use super::caches;
use super::context::FOLDER;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::image;

/// What a prune took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildCachePruned {
    /// The keys of steps.
    pub steps: Vec<String>,
    /// Bytes of their blobs.
    pub bytes: u64,
}

/// Forgets all steps of earlier builds; with `caches`, also what cache mounts hold. Images keep what is theirs.
pub async fn prune(engine: &Engine, caches: bool) -> Result<BuildCachePruned> {
    let engine_ = engine.clone();
    let pruned = block(move || forget(&engine_, caches)).await?;
    image::unpack::collect_now(engine).await;
    Ok(pruned)
}

fn forget(engine: &Engine, with_caches: bool) -> Result<BuildCachePruned> {
    let all = engine.build_memory.list()?;
    let blobs: HashSet<_> = all
        .iter()
        .filter_map(|(_, step)| step.layer.clone())
        .map(|layer| (layer.blob.digest, layer.blob.size))
        .collect();
    let steps: Vec<String> = all.into_iter().map(|(key, _)| key).collect();
    engine.build_memory.forget(&steps)?;
    // All of them, also those of steps that were done again since; a build that goes on has leases of its own.
    engine.images.release_from_builds(&engine.images.kept_for_builds()?)?;
    if with_caches {
        caches::prune(engine)?;
    }
    let bytes = blobs.iter().map(|(_, size)| *size).sum();
    Ok(BuildCachePruned { steps, bytes })
}

/// The layers that remembered steps need, the lowest first.
pub(crate) fn chains(engine: &Engine) -> Result<Vec<Vec<Digest>>> {
    let steps = engine.build_memory.list()?;
    let chain = |(_, step): (String, gantry_build::Remembered)| {
        step.below.into_iter().chain(step.layer).map(|layer| layer.diff_id).collect()
    };
    Ok(steps.into_iter().map(chain).collect())
}

/// After a start: files of builds that died go, and so do blobs that no step remembers.
pub(crate) fn reconcile(engine: &Engine) -> Result<()> {
    super::secrets::reconcile(engine)?;
    let folder = engine.settings.data_root.join(FOLDER);
    if let Err(error) = caches::remove_tree(&engine.settings.data_root, FOLDER) {
        tracing::warn!(
            error = gantry_types::error_chain(&error),
            "cannot remove the files of builds that died"
        );
    }
    std::fs::create_dir_all(&folder).map_err(Error::file("create directory", &folder))?;
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&folder, rights).map_err(Error::file("protect", &folder))?;
    let remembered = engine.build_memory.list()?;
    let known: HashSet<Digest> = remembered
        .into_iter()
        .filter_map(|(_, step)| step.layer)
        .map(|layer| layer.blob.digest)
        .collect();
    let kept = engine.images.kept_for_builds()?;
    let strangers: Vec<Digest> =
        kept.into_iter().filter(|digest| !known.contains(digest)).collect();
    Ok(engine.images.release_from_builds(&strangers)?)
}
