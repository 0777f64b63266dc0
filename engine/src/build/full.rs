//! A disk without space while a build goes on: how that is told where it would not be, and what helps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gantry_types::{ErrorKind, error_chain};

use super::prune;
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// Nothing that a command does goes well with less of the disk, in bytes.
const LITTLE: u64 = 64 << 10;

/// How long is waited before what could not be cleared up is tried again, and how often it is.
const PAUSE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 300;

/// Whether somebody tries again and again.
#[derive(Debug, Default)]
pub(crate) struct Clearing(AtomicBool);

/// Takes away what a build has made and could not write down. To write down that it goes takes space, too, which may be there a moment
/// later; in the end it goes with the next image that is removed.
pub(super) async fn clear_up(engine: &Engine) {
    let Err(error) = prune::try_collect(engine).await else { return };
    tracing::info!(error = error_chain(&error), "cannot clear up after a build yet");
    if engine.build_clearing.0.swap(true, Ordering::AcqRel) {
        return;
    }
    let engine = engine.clone();
    tokio::spawn(async move {
        for _ in 0..ATTEMPTS {
            tokio::time::sleep(PAUSE).await;
            if prune::try_collect(&engine).await.is_ok() {
                break;
            }
        }
        engine.build_clearing.0.store(false, Ordering::Release);
    });
}

/// A failure with what helps, where it is one for want of space.
pub(super) fn with_remedy(error: Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull => Error::BuildFull { source: Box::new(error) },
        _ => error,
    }
}

/// What a command that failed may have told nobody: there is no space left.
pub(super) fn remark(engine: &Engine) -> Option<String> {
    let data_root = engine.settings.data_root.display();
    is_full(engine).then(|| format!("no space left on the disk of {data_root}: free some (gantry builder prune) and build again\n"))
}

/// The result of a step of a start. Where there is no space, the system's own words name no disk, and come from far within.
pub(super) fn named<T>(engine: &Engine, result: Result<T>) -> Result<T> {
    let error = match result {
        Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::StorageFull) => error,
        result => return result,
    };
    if matches!(error, Error::Full { .. }) || !is_full(engine) {
        return Err(error);
    }
    tracing::info!(error = error_chain(&error), "a command of a build did not start");
    let path = engine.settings.data_root.clone();
    Err(Error::Full { action: "start a command on the disk of", path })
}

fn is_full(engine: &Engine) -> bool {
    prune::free_bytes(engine) < LITTLE
}
