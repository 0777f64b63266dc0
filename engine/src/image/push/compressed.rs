//! Layers that are compressed on their way. The result is the same every time and everywhere, so that a registry has it
//! once; it is not kept here.

use std::io::{self, Read};
use std::sync::Mutex;
use std::thread;

use gantry_archive::{Compression, compress_at};
use gantry_images::{BlobWriter, Committed};
use gantry_oci::image::{Descriptor, media_type};

use super::blobs::{Push, lock};
use super::counted::Counted;
use super::packed::{Ending, Packed};
use crate::Result;
use crate::error::Error;

/// Threads that compress one layer.
const MAX_THREADS: usize = 8;

impl Push<'_> {
    /// Sends a plain layer compressed as `kind` says, while it is compressed.
    pub(super) fn send_compressed(&self, blob: &Descriptor, kind: &str) -> Result<Descriptor> {
        let format = match kind {
            media_type::OCI_LAYER_ZSTD => Compression::Zstd,
            _ => Compression::Gzip,
        };
        // Of the last attempt.
        let ending: Mutex<Ending> = Mutex::default();
        let open = |from| -> io::Result<Box<dyn Read + Send>> {
            let plain = self.engine.images.open_blob(&blob.digest).map_err(io::Error::other)?;
            let mut packed = Packed::begin(plain, format)?;
            *lock(&ending) = packed.ending();
            io::copy(&mut (&mut packed).take(from), &mut io::sink())?;
            let told = Some((self.teller.clone(), blob.clone()));
            Ok(Box::new(Counted::new(packed, from, told)))
        };
        let whole = || match lock(&ending).get() {
            Some(Ok(whole)) => Ok(whole.clone()),
            _ => Err(io::Error::other("the layer was not read to its end")),
        };
        let sent = self.repository.upload_stream(&open, &mut || whole().map(|whole| whole.digest));
        let failed = |source| Error::file("compress", "a layer")(source);
        match sent {
            Ok(()) => {
                let whole = whole().map_err(failed)?;
                Ok(Descriptor::new(kind, whole.digest, whole.size_bytes))
            }
            // Why there was nothing to send says more than that there was not.
            Err(error) => match lock(&ending).get() {
                Some(Err(cause)) => {
                    tracing::debug!(%error, "nothing to send");
                    Err(failed(io::Error::new(cause.kind(), gantry_types::error_chain(cause))))
                }
                _ => Err(error.into()),
            },
        }
    }
}

pub(super) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)
}

/// Compresses a layer into a blob, at a level where one is given.
pub(crate) fn pack(
    plain: impl Read,
    mut writer: BlobWriter,
    format: (Compression, Option<u32>),
) -> Result<Committed> {
    compress_at(format, plain, &mut writer, threads())
        .map_err(Error::file("compress", "a layer"))?;
    Ok(writer.commit(None)?)
}
