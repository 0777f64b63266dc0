//! Layers that are compressed on their way. The result is the same every time and everywhere, so that a registry has it
//! once; it is not kept here.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};

use gantry_archive::{Compression, compress_at};
use gantry_images::{Blob, BlobWriter, Committed};
use gantry_oci::image::{Descriptor, media_type};
use gantry_types::Algorithm;

use super::blobs::Push;
use super::counted::Counted;
use crate::Result;
use crate::error::Error;

/// Threads that compress one layer.
const MAX_THREADS: usize = 8;

impl Push<'_> {
    /// Sends a plain layer compressed as `kind` says, while it is compressed.
    pub(super) fn send_compressed(&self, blob: &Descriptor, kind: &str) -> Result<Descriptor> {
        let images = &self.engine.images;
        let format = match kind {
            media_type::OCI_LAYER_ZSTD => Compression::Zstd,
            _ => Compression::Gzip,
        };
        let plain = images.open_blob(&blob.digest)?;
        let writer = images.blob_writer(Algorithm::Sha256)?;
        let follower = writer.follow()?;
        let stopped = AtomicBool::new(false);
        let (sent, committed) = thread::scope(|scope| {
            let mut packing =
                Packing::Runs(scope.spawn(|| {
                    pack(Until { blob: plain, stopped: &stopped }, writer, (format, None))
                }));
            let open = |from| -> io::Result<Box<dyn Read + Send>> {
                let told = Some((self.teller.clone(), blob.clone()));
                Ok(Box::new(Counted::new(follower.another(from)?, from, told)))
            };
            let sent = self.repository.upload_stream(&open, &mut || {
                let committed = packing.wait();
                committed.map(|done| done.digest.clone()).map_err(io::Error::other)
            });
            stopped.store(true, Ordering::Relaxed);
            (sent, packing.into_result())
        });
        // Why there was nothing to send says more than that there was not.
        let committed = match (sent, committed) {
            (Ok(()), committed) => committed?,
            (Err(error), Err(cause)) if !is_stop(&cause) => {
                tracing::debug!(%error, "nothing to send");
                return Err(cause);
            }
            (Err(error), _) => return Err(error.into()),
        };
        Ok(Descriptor::new(kind, committed.digest.clone(), committed.size_bytes))
    }
}

/// Compresses a layer into a blob, at a level where one is given.
pub(crate) fn pack(
    plain: impl Read + Send,
    mut writer: BlobWriter,
    format: (Compression, Option<u32>),
) -> Result<Committed> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    compress_at(format, plain, &mut writer, threads).map_err(Error::file("compress", "a layer"))?;
    Ok(writer.commit(None)?)
}

/// A layer that is being compressed, or what became of it.
enum Packing<'scope> {
    Runs(ScopedJoinHandle<'scope, Result<Committed>>),
    Ended(Result<Committed>),
    /// In between, for a moment.
    Taken,
}

impl Packing<'_> {
    fn wait(&mut self) -> Result<&Committed, String> {
        let this = std::mem::replace(self, Self::Taken);
        *self = Self::Ended(this.into_result());
        match self {
            Self::Ended(Ok(committed)) => Ok(committed),
            Self::Ended(Err(error)) => Err(gantry_types::error_chain(error)),
            _ => Err("the layer was taken".to_owned()),
        }
    }

    fn into_result(self) -> Result<Committed> {
        match self {
            Self::Runs(thread) => match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            },
            Self::Ended(result) => result,
            Self::Taken => Err(Error::ShuttingDown),
        }
    }
}

/// A blob that is read until the other side gives up.
struct Until<'a> {
    blob: Blob,
    stopped: &'a AtomicBool,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.blob.read(buffer)
    }
}

fn is_stop(error: &Error) -> bool {
    matches!(error, Error::File { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
}
