//! Extracting the files of an archive that may be layers while they come in: which of them are layers the archive says
//! at its end. What was extracted and is none goes again; what could not be extracted here is extracted later, and tells
//! then why it cannot.

use std::collections::HashMap;
use std::thread::{Scope, ScopedJoinHandle};

use gantry_images::{Tap, tap};
use gantry_layers::Staged;
use gantry_types::Digest;

use crate::engine::Engine;

/// A shorter file is no archive with a file in it, or not worth a thread.
const WORTH_BYTES: u64 = 64 << 10;

/// What was extracted, by the digest of what it came from.
pub(crate) type Staging = HashMap<Digest, Staged>;

type Extraction<'scope> = ScopedJoinHandle<'scope, Option<Staged>>;

/// Extracts one file at a time: they come one after the other.
pub(super) struct Workshop<'scope, 'env> {
    engine: &'env Engine,
    scope: &'scope Scope<'scope, 'env>,
    /// That of the file that is coming in.
    current: Option<Extraction<'scope>>,
    staged: Staging,
}

impl<'scope, 'env> Workshop<'scope, 'env> {
    pub(super) fn new(engine: &'env Engine, scope: &'scope Scope<'scope, 'env>) -> Self {
        Self { engine, scope, current: None, staged: Staging::new() }
    }

    /// Begins to extract a file that may be a layer which is not here yet.
    pub(super) fn begin(&mut self, path: &str, size_bytes: u64) -> Option<Tap> {
        self.current = None;
        if size_bytes < WORTH_BYTES || self.is_here(path) {
            return None;
        }
        let (tap, content) = tap();
        let engine = self.engine;
        let extract = move || match engine.layers.stage(content) {
            Ok(staged) => staged,
            Err(error) => {
                let error = gantry_types::error_chain(&error);
                tracing::debug!(error, "a file of the archive is no layer");
                None
            }
        };
        let thread = std::thread::Builder::new().name("image-staging".to_owned());
        self.current = Some(thread.spawn_scoped(self.scope, extract).ok()?);
        Some(tap)
    }

    /// The file is there as a whole, under this digest.
    pub(super) fn came_in(&mut self, digest: Digest) {
        let Some(extraction) = self.current.take() else { return };
        match extraction.join() {
            Ok(staged) => self.staged.extend(staged.map(|staged| (digest, staged))),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    pub(super) fn finish(self) -> Staging {
        self.staged
    }

    /// Whether its name says that it is a layer which is here: most archives call layers by their digests.
    fn is_here(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let hex = name.strip_suffix(".tar").unwrap_or(name);
        let Ok(digest) = format!("sha256:{hex}").parse::<Digest>() else { return false };
        self.engine.layers.find(&digest, &[]).is_ok_and(|found| found.is_some())
    }
}
