//! One blob over several connections: where one proves slow and the registry gives blobs in parts. On a fast line nothing
//! of this happens, since a connection more is work more.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use gantry_images::{BlobWriter, Part, PartsWriter};
use gantry_oci::image::Descriptor;

use super::layers::Fetch;
use crate::Result;
use crate::error::Error;
use crate::image::teller::LayerTeller;

/// A connection is watched so long before it is judged.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection that needs longer than this for the rest gets help.
const LONG: Duration = Duration::from_secs(2);

/// With less than this to come, in bytes, it is not worth it.
const LITTLE: u64 = 4 << 20;

/// The most connections for one blob.
const PER_BLOB: usize = 6;

/// The connections of one pull beside the first of each blob.
pub(super) const LANES: usize = 8;

/// What the first connection came to.
enum Alone {
    Whole(BlobWriter),
    Slow(BlobWriter),
}

/// What several connections share.
struct Shared<'a, 't> {
    blob: &'a Descriptor,
    parts: &'a PartsWriter,
    told: Mutex<&'a mut LayerTeller<'t>>,
    /// The registry gives no parts after all.
    refused: AtomicBool,
    failed: Mutex<Option<Error>>,
}

impl Fetch<'_> {
    /// Brings in what is missing of a blob.
    pub(super) fn bring_in(
        &self,
        writer: BlobWriter,
        blob: &Descriptor,
        told: &mut LayerTeller<'_>,
    ) -> Result<BlobWriter> {
        let writer = if writer.has_parts() {
            writer
        } else {
            match self.alone(writer, blob, told, true)? {
                Alone::Whole(writer) => return Ok(writer),
                Alone::Slow(writer) => writer,
            }
        };
        let writer = self.together(writer, blob, told)?;
        match self.alone(writer, blob, told, false)? {
            Alone::Whole(writer) | Alone::Slow(writer) => Ok(writer),
        }
    }

    /// Over one connection; with `may_split`, only for as long as that is fast enough.
    fn alone(
        &self,
        mut writer: BlobWriter,
        blob: &Descriptor,
        told: &mut LayerTeller<'_>,
        may_split: bool,
    ) -> Result<Alone> {
        let from = writer.size_bytes();
        if from > 0 && from == blob.size {
            return Ok(Alone::Whole(writer));
        }
        let (began, mut judged, mut is_slow) = (Instant::now(), !may_split, false);
        let fetched = self.repository.fetch_blob(&blob.digest, blob.size, from, &mut |piece| {
            self.go_on()?;
            writer.append(piece).map_err(io::Error::other)?;
            told.figure("Downloading", writer.size_bytes());
            let done = writer.size_bytes();
            if !judged && began.elapsed() >= PATIENCE {
                judged = true;
                let is_long = rest_takes(done - from, blob.size - done, began.elapsed()) > LONG;
                is_slow = is_long && blob.size - done > LITTLE && self.gives_parts(blob, done);
                if is_slow {
                    return Err(io::Error::other("several connections go on"));
                }
            }
            Ok(())
        });
        match fetched {
            _ if is_slow => Ok(Alone::Slow(writer)),
            Ok(()) => Ok(Alone::Whole(writer)),
            Err(error) => {
                if !error.may_go_on() {
                    writer.discard();
                }
                Err(error.into())
            }
        }
    }

    /// Over several connections. What the writer lacks afterwards, the registry gives only in one piece.
    fn together(
        &self,
        writer: BlobWriter,
        blob: &Descriptor,
        told: &mut LayerTeller<'_>,
    ) -> Result<BlobWriter> {
        let parts = writer.into_parts(blob.size)?;
        let shared = Shared {
            blob,
            parts: &parts,
            told: Mutex::new(told),
            refused: AtomicBool::new(false),
            failed: Mutex::new(None),
        };
        let more = take_lanes(&self.lanes, PER_BLOB - 1);
        thread::scope(|scope| {
            for _ in 0..=more {
                scope.spawn(|| {
                    if let Err(error) = self.fetch_parts(&shared) {
                        let mut failed =
                            shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.get_or_insert(error);
                    }
                });
            }
        });
        self.lanes.fetch_add(more, Ordering::Relaxed);
        let Shared { refused, failed, .. } = shared;
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        match failed {
            // One connection that failed does not matter when the others brought everything.
            Some(error) if parts.written_bytes() < blob.size && !refused.into_inner() => {
                if !super::may_go_on(&error) {
                    parts.discard()?;
                }
                Err(error)
            }
            _ => Ok(parts.into_writer()?),
        }
    }

    /// Fetches part after part, until none is left.
    fn fetch_parts(&self, shared: &Shared<'_, '_>) -> Result<()> {
        let Shared { blob, parts, .. } = *shared;
        while !shared.refused.load(Ordering::Relaxed) {
            let Some(part) = parts.next() else { break };
            match self.fetch_part(shared, &part) {
                Ok(true) => parts.done(&part)?,
                Ok(false) => {
                    tracing::info!(digest = %blob.digest, "the registry gives it only as a whole");
                    shared.refused.store(true, Ordering::Relaxed);
                    parts.give_back(&part);
                }
                Err(error) => {
                    parts.give_back(&part);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn fetch_part(&self, shared: &Shared<'_, '_>, part: &Part) -> Result<bool> {
        let Shared { blob, parts, .. } = *shared;
        let mut at = 0;
        let mut take = |piece: &[u8]| {
            self.go_on()?;
            parts.write(part, at, piece).map_err(io::Error::other)?;
            at += piece.len() as u64;
            let told = match shared.told.try_lock() {
                Ok(told) => Some(told),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                // Another connection is telling.
                Err(TryLockError::WouldBlock) => None,
            };
            if let Some(mut told) = told {
                told.figure("Downloading", parts.written_bytes());
            }
            Ok(())
        };
        Ok(self.repository.fetch_part(&blob.digest, blob.size, part.range(), &mut take)?)
    }

    fn gives_parts(&self, blob: &Descriptor, from: u64) -> bool {
        let one = from..from + 1;
        let asked = self.repository.fetch_part(&blob.digest, blob.size, one, &mut |_| Ok(()));
        asked.unwrap_or(false)
    }
}

/// How long the rest takes at the rate up to now.
fn rest_takes(done_bytes: u64, rest_bytes: u64, elapsed: Duration) -> Duration {
    let factor = u128::from(rest_bytes) * elapsed.as_micros() / u128::from(done_bytes.max(1));
    Duration::from_micros(u64::try_from(factor).unwrap_or(u64::MAX))
}

/// Takes up to `wanted` of the lanes that are free.
fn take_lanes(lanes: &AtomicUsize, wanted: usize) -> usize {
    let rest = |free: usize| Some(free - free.min(wanted));
    // It always gives a value.
    let free = lanes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
    free.unwrap_or_else(|free| free).min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest() {
        let second = Duration::from_secs(1);
        assert_eq!(rest_takes(1 << 20, 10 << 20, second), second * 10);
        assert_eq!(rest_takes(100, 0, second), Duration::ZERO);
        assert!(rest_takes(0, 1000, second) > second * 100);
    }

    #[test]
    fn lanes_are_shared() {
        let lanes = AtomicUsize::new(8);
        assert_eq!([5, 5, 5].map(|wanted| take_lanes(&lanes, wanted)), [5, 3, 0]);
    }
}
