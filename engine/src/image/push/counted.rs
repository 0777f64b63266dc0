//! Content on its way to a registry: tells how far it is, and ends when nobody listens any more.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use gantry_images::Blob;
use gantry_oci::image::Descriptor;

use crate::image::teller::Teller;

/// The shortest time between two figures.
const INTERVAL: Duration = Duration::from_millis(100);

/// See the head of this file.
pub(super) struct Counted<R> {
    inner: R,
    done_bytes: u64,
    told: Option<(Teller, Descriptor)>,
    last: Instant,
}

impl Counted<Blob> {
    /// A blob's content from byte `from` on. `told` is who hears of it, and of which layer.
    pub(super) fn of_blob(
        mut blob: Blob,
        from: u64,
        told: Option<(Teller, Descriptor)>,
    ) -> io::Result<Box<dyn Read + Send>> {
        blob.skip(from).map_err(io::Error::other)?;
        Ok(Box::new(Counted::new(blob, from, told)))
    }
}

impl<R: Read> Counted<R> {
    pub(super) fn new(inner: R, done_bytes: u64, told: Option<(Teller, Descriptor)>) -> Self {
        Self { inner, done_bytes, told, last: Instant::now() }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Of another kind, it would be taken for a connection's failure.
        let count = self.inner.read(buffer).map_err(io::Error::other)?;
        self.done_bytes += count as u64;
        if let Some((teller, layer)) = &self.told
            && self.last.elapsed() >= INTERVAL
        {
            if teller.is_alone() {
                return Err(io::Error::other("the client has gone"));
            }
            self.last = Instant::now();
            teller.layer(&layer.digest, layer.size).figure("Pushing", self.done_bytes);
        }
        Ok(count)
    }
}
