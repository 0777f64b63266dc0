//! What builds remember, and forgetting it.

use std::collections::{HashMap, HashSet};

use gantry_types::Digest;

use super::context::FOLDER;
use super::selection::{self, PruneOptions};
use super::usage::{What, items};
use super::{caches, downloads, mirror, repositories};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::events::{Event, Kind};
use crate::image;

/// What a prune took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildCachePruned {
    /// The keys of steps, and the names of cache mounts.
    pub steps: Vec<String>,
    /// Bytes of their blobs.
    pub bytes: u64,
}

/// Forgets what earlier builds gave, as far as the options say. Images keep what is theirs.
pub async fn prune(engine: &Engine, options: PruneOptions) -> Result<BuildCachePruned> {
    let engine_ = engine.clone();
    let pruned = block(move || forget(&engine_, &options)).await?;
    image::unpack::collect_now(engine).await;
    engine.events.tell(Event::pruned(Kind::Builder, pruned.bytes));
    Ok(pruned)
}

fn forget(engine: &Engine, options: &PruneOptions) -> Result<BuildCachePruned> {
    let now = gantry_sys::clock::now();
    let chosen = selection::choose(items(engine)?, options, (now, free_bytes(engine)))?;
    let sizes: HashMap<String, i64> =
        chosen.iter().map(|item| (item.record.id.clone(), item.record.size)).collect();
    let (mut steps, mut mounts, mut blobs) = (Vec::new(), HashSet::new(), HashMap::new());
    for item in chosen {
        match item.what {
            What::Step { key, blob } => {
                blobs.extend(blob.map(|blob| (blob, item.record.size)));
                steps.push(key);
            }
            What::Mount { name, .. } => drop(mounts.insert(name)),
        }
    }
    engine.build_memory.forget(&steps)?;
    let known = release_strangers(engine)?;
    let own = blobs.iter().filter(|(digest, _)| !known.contains(*digest));
    let mut bytes: u64 = own.map(|(_, size)| unsigned(*size)).sum();
    let gone = caches::prune(engine, &mounts)?;
    bytes +=
        gone.iter().filter_map(|name| sizes.get(name)).map(|size| unsigned(*size)).sum::<u64>();
    steps.extend(gone);
    if options.all && options.is_unlimited() {
        bytes += repositories::prune(engine)?;
        bytes += downloads::prune(engine) + mirror::prune(engine)?;
    }
    Ok(BuildCachePruned { steps, bytes })
}

/// Takes away what only steps needed that have been done again since.
pub(super) async fn collect(engine: &Engine) {
    let engine_ = engine.clone();
    if let Err(error) = block(move || release_strangers(&engine_)).await {
        let error = gantry_types::error_chain(&error);
        tracing::warn!(error, "cannot let go of what steps gave that were done again");
    }
    image::unpack::collect_now(engine).await;
}

/// The same, and whether it could be done.
pub(super) async fn try_collect(engine: &Engine) -> Result<()> {
    let layers_may_go = engine.image_changes.removing().await;
    let engine = engine.clone();
    block(move || {
        let collected =
            release_strangers(&engine).and_then(|_| image::unpack::try_collect(&engine));
        drop(layers_may_go);
        collected.map(drop)
    })
    .await
}

/// Lets go of the blobs that no step is remembered by; a build that goes on has leases of its own. Gives those that stay.
fn release_strangers(engine: &Engine) -> Result<HashSet<Digest>> {
    let known = remembered_blobs(engine)?;
    let kept = engine.images.kept_for_builds()?;
    let strangers: Vec<Digest> =
        kept.into_iter().filter(|digest| !known.contains(digest)).collect();
    engine.images.release_from_builds(&strangers)?;
    Ok(known)
}

fn unsigned(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or_default()
}

/// What the disk has left for everybody.
pub(super) fn free_bytes(engine: &Engine) -> u64 {
    let found = rustix::fs::statvfs(&engine.settings.data_root);
    found.map_or(u64::MAX, |found| found.f_bavail.saturating_mul(found.f_frsize))
}

/// The blobs of all steps that are remembered.
fn remembered_blobs(engine: &Engine) -> Result<HashSet<Digest>> {
    let steps = engine.build_memory.list()?.into_iter();
    Ok(steps.filter_map(|(_, step)| step.layer).map(|layer| layer.blob.digest).collect())
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
    super::sandboxes::reconcile(engine)?;
    super::secrets::reconcile(engine)?;
    downloads::reconcile(engine);
    engine.build_history.reconcile()?;
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
    caches::reconcile(engine);
    mirror::reconcile(engine);
    release_strangers(engine).map(drop)
}
