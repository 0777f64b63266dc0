//! Doing without the archives that layers came from. What is loaded, built or committed lies twice on the disk: as it came
//! in, and extracted. Once nothing has come in for a while, and all of it is on the disk for certain, archives go that
//! can be put together from their layers, one at a time, each after it was tried. Saving and pushing find no
//! difference.
//!
//! A daemon that is killed in between leaves the archive, or both, and never neither.

use std::io;
use std::time::Duration;

use gantry_images::{Blob, Content, Elsewhere};
use gantry_layers::{Archive, Archives, Splitting};
use gantry_types::Digest;
use tokio::sync::{oneshot, watch};

use super::write_all;
use crate::Result;
use crate::blocking;
use crate::engine::Engine;

/// What a thread for the rest of the processor's time gets (setpriority(2)).
const NICE: i32 = 19;

/// Tells that something came in.
#[derive(Debug)]
pub(crate) struct Arrivals(watch::Sender<()>);

impl Default for Arrivals {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Arrivals {
    pub(super) fn tell(&self) {
        self.0.send_replace(());
    }
}

/// Looks for archives that can go, now and whenever something has come in, as long as the engine is there.
pub(crate) fn start(engine: &Engine) {
    let Some(quiet) = engine.settings.layer_archives else { return };
    let mut arrivals = engine.arrivals.0.subscribe();
    let engine = engine.downgrade();
    tokio::spawn(async move {
        loop {
            if !quiet_for(quiet, &mut arrivals).await {
                return;
            }
            let Some(engine) = engine.upgrade() else { return };
            let still = arrivals.clone();
            let (done, end) = oneshot::channel::<()>();
            let work = move || {
                spare(&engine, || matches!(still.has_changed(), Ok(false)));
                drop(done);
            };
            if let Err(error) = blocking::thread("layer-archives", work) {
                tracing::warn!(
                    error = gantry_types::error_chain(&error),
                    "archives of layers stay"
                );
            }
            // It says nothing but that it has ended.
            drop(end.await);
            if arrivals.changed().await.is_err() {
                return;
            }
        }
    });
}

/// Waits until nothing has come in for so long; whether the engine is still there.
async fn quiet_for(quiet: Duration, arrivals: &mut watch::Receiver<()>) -> bool {
    loop {
        match tokio::time::timeout(quiet, arrivals.changed()).await {
            Err(_) => return true,
            Ok(Ok(())) => {}
            Ok(Err(_)) => return false,
        }
    }
}

/// Lets all archives go that can, until somebody else needs the disk.
fn spare(engine: &Engine, is_quiet: impl Fn() -> bool) {
    // What this thread does can wait for everybody else.
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "cannot step back");
    }
    let candidates = match engine.images.plain_layers() {
        Ok(candidates) if candidates.is_empty() => return,
        Ok(candidates) => candidates,
        Err(error) => {
            tracing::warn!(error = gantry_types::error_chain(&error), "archives of layers stay");
            return;
        }
    };
    // The records of these layers too: a power cut must not find their archives gone and the layers unknown.
    if !write_all(engine) {
        return;
    }
    for (diff_id, size_bytes) in candidates {
        if !is_quiet() {
            return;
        }
        match spare_one(engine, &diff_id) {
            Ok(true) => tracing::debug!(%diff_id, size_bytes, "a layer's archive has gone"),
            Ok(false) => {}
            Err(error) => {
                let error = gantry_types::error_chain(&error);
                tracing::warn!(error, %diff_id, "the archive of a layer stays");
            }
        }
    }
}

fn spare_one(engine: &Engine, diff_id: &Digest) -> Result<bool> {
    // It may have gone with its image meanwhile.
    let Ok(Blob::File(archive)) = engine.images.open_blob(diff_id) else { return Ok(false) };
    match engine.layers.split(diff_id, &archive)? {
        Splitting::Done | Splitting::WasDone => Ok(engine.images.let_go(diff_id)?),
        Splitting::Unfit | Splitting::NotYet => Ok(false),
    }
}

/// Where the store of images finds what went.
#[derive(Debug)]
pub(crate) struct InLayers(pub(crate) Archives);

/// An archive that comes out of a layer.
#[derive(Debug)]
struct OutOfLayer(Archive);

impl Elsewhere for InLayers {
    fn size_bytes(&self, digest: &Digest) -> Option<u64> {
        self.0.size_bytes(digest)
    }

    fn open(&self, digest: &Digest) -> io::Result<Option<Box<dyn Content>>> {
        let archive = self.0.open(digest).map_err(io::Error::other)?;
        Ok(archive.map(|archive| Box::new(OutOfLayer(archive)) as Box<dyn Content>))
    }
}

impl io::Read for OutOfLayer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Content for OutOfLayer {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.0.skip(bytes)
    }
}
