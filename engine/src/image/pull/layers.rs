//! The layers of an image on their way in: several at once, each extracted while it is fetched.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use gantry_images::Incoming;
use gantry_layers::LayerInfo;
use gantry_oci::image::Descriptor;
use gantry_registry_client::Repository;
use gantry_types::Digest;

use super::ranges::LANES;
use crate::Result;
use crate::engine::Engine;
use crate::image::teller::{LayerTeller, Teller};

/// Brings in what is not here; the size of all layers together.
pub(super) fn fetch_all(
    engine: &Engine,
    repository: &Repository,
    incoming: &Incoming<'_>,
    teller: &Teller,
) -> Result<u64> {
    let layers = incoming.layers();
    let chain: Vec<Digest> = layers.iter().map(|(diff_id, _)| diff_id.clone()).collect();
    let (lanes, failed) = (AtomicUsize::new(LANES), Mutex::new(None));
    let fetch = Fetch { engine, repository, lanes, incoming, teller, chain: &chain, failed };
    for (_, blob) in layers {
        teller.layer(&blob.digest, blob.size).say("Pulling fs layer");
    }
    let next = AtomicUsize::new(0);
    let at_once = engine.live.settings().max_concurrent_downloads;
    thread::scope(|scope| {
        for _ in 0..at_once.max(1).min(layers.len()) {
            scope.spawn(|| {
                while let Some(depth) = fetch.take(&next) {
                    fetch.note(fetch.layer(depth));
                }
            });
        }
    });
    if let Some(error) = fetch.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    sizes(engine, incoming, &chain)
}

/// Extracts the layers that had to wait for those below them, and adds up the sizes.
fn sizes(engine: &Engine, incoming: &Incoming<'_>, chain: &[Digest]) -> Result<u64> {
    let mut size_bytes: u64 = 0;
    for (depth, (diff_id, blob)) in incoming.layers().iter().enumerate() {
        let content = engine.images.open_blob(&blob.digest)?;
        // Of a layer that is here nothing is read.
        let info = engine.layers.apply(diff_id, &chain[..depth], content)?;
        size_bytes = size_bytes.saturating_add(info.size_bytes);
    }
    Ok(size_bytes)
}

pub(super) struct Fetch<'a> {
    engine: &'a Engine,
    pub(super) repository: &'a Repository,
    /// Free connections.
    pub(super) lanes: AtomicUsize,
    incoming: &'a Incoming<'a>,
    teller: &'a Teller,
    chain: &'a [Digest],
    /// The first failure; the others stop then.
    failed: Mutex<Option<crate::Error>>,
}

impl Fetch<'_> {
    /// The next layer that nobody has taken.
    fn take(&self, next: &AtomicUsize) -> Option<usize> {
        let depth = next.fetch_add(1, Ordering::Relaxed);
        (depth < self.chain.len() && !self.has_failed()).then_some(depth)
    }

    fn has_failed(&self) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether a transfer is still wanted.
    pub(super) fn go_on(&self) -> io::Result<()> {
        if self.has_failed() {
            return Err(io::Error::other("another layer failed"));
        }
        if self.teller.is_alone() {
            return Err(io::Error::other("the client has gone"));
        }
        Ok(())
    }

    fn note(&self, result: Result<()>) {
        if let Err(error) = result {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    fn layer(&self, depth: usize) -> Result<()> {
        let (diff_id, blob) = &self.incoming.layers()[depth];
        let told = self.teller.layer(&blob.digest, blob.size);
        let is_extracted = self.engine.layers.find(diff_id, &self.chain[..depth])?.is_some();
        let is_here = self.incoming.has(blob);
        match (is_here, is_extracted) {
            (true, true) => told.say("Already exists"),
            (true, false) => {
                let content = self.engine.images.open_blob(&blob.digest)?;
                self.extract(depth, content)?;
                told.say("Pull complete");
            }
            (false, _) => {
                self.download(depth, blob, is_extracted, told)?;
            }
        }
        Ok(())
    }

    fn download(
        &self,
        depth: usize,
        blob: &Descriptor,
        is_extracted: bool,
        mut told: LayerTeller<'_>,
    ) -> Result<()> {
        let Some(writer) = self.incoming.writer(blob)? else {
            if !is_extracted {
                self.extract(depth, self.engine.images.open_blob(&blob.digest)?)?;
            }
            told.say("Pull complete");
            return Ok(());
        };
        let follower = (!is_extracted).then(|| writer.follow()).transpose()?;
        thread::scope(|scope| {
            let extraction =
                follower.map(|content| scope.spawn(move || self.extract(depth, content)));
            // A blob that is not what it should be explains why it could not be extracted.
            let taken = self.obtain(writer, blob, &mut told).and_then(|writer| {
                told.say("Verifying Checksum");
                Ok(self.incoming.take(writer, &blob.digest)?)
            });
            if taken.is_ok() {
                told.say("Download complete");
            }
            let extracted = extraction.map_or(Ok(()), |thread| match thread.join() {
                Ok(extracted) => extracted,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            taken.and(extracted)?;
            told.say("Pull complete");
            Ok(())
        })
    }

    /// Extracts a layer, unless it has to wait for those below it.
    fn extract(&self, depth: usize, content: impl Read + Send) -> Result<()> {
        let diff_id = &self.chain[depth];
        match self.engine.layers.apply(diff_id, &self.chain[..depth], content) {
            Ok(LayerInfo { .. }) | Err(gantry_layers::Error::Missing { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
