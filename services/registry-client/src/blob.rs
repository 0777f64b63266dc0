//! Blobs on their way to us.

use std::io::{self, Read};
use std::ops::Range;

use gantry_types::Digest;
use ureq::http::Method;

use crate::manifest::digest_of;
use crate::repository::Call;
use crate::{Error, Repository, Result, retry};

/// How much is read at once, in bytes.
const CHUNK: usize = 256 << 10;

impl Repository {
    /// Fetches a blob from byte `from` on and hands it to `sink` piece by piece, in order. A connection that breaks is
    /// made again, as often as there is progress, and goes on where it was.
    ///
    /// The digest is the receiver's to check: it may have had the first bytes before.
    ///
    /// # Errors
    /// [`Error::NoBlob`], [`Error::TooLong`] or [`Error::BrokeOff`] tell what the registry did; [`Error::Sink`] is
    /// the receiver's own.
    pub fn fetch_blob(
        &self,
        digest: &Digest,
        size_bytes: u64,
        from: u64,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<()> {
        let mut transfer =
            Transfer { digest, size_bytes, got_bytes: from, end_bytes: size_bytes, sink };
        self.transfer(&mut transfer, Whole::Skipped).map(drop)
    }

    /// Fetches the bytes `part` of a blob, like [`Self::fetch_blob`]; several threads can so use several connections
    /// for one blob. False when the registry gives blobs only as a whole: then nothing was fetched, or not all.
    ///
    /// # Errors
    /// Those of [`Self::fetch_blob`].
    pub fn fetch_part(
        &self,
        digest: &Digest,
        size_bytes: u64,
        part: Range<u64>,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<bool> {
        let (got_bytes, end_bytes) = (part.start, part.end);
        let mut transfer = Transfer { digest, size_bytes, got_bytes, end_bytes, sink };
        self.transfer(&mut transfer, Whole::Refused)
    }

    /// False when the registry sent the whole instead of a part, and that was not wanted.
    fn transfer(&self, transfer: &mut Transfer<'_>, whole: Whole) -> Result<bool> {
        let mut fruitless = 0;
        while transfer.got_bytes < transfer.end_bytes || fruitless == 0 && transfer.size_bytes == 0
        {
            let before = transfer.got_bytes;
            let Some(body) = self.open_blob(transfer, whole)? else { return Ok(false) };
            let Err(failure) = transfer.run(body)? else { return Ok(true) };
            let (digest, got_bytes) = (transfer.digest, transfer.got_bytes);
            fruitless = if got_bytes > before { 1 } else { fruitless + 1 };
            tracing::info!(%digest, got = got_bytes, error = %failure, "a transfer broke off");
            if !retry::wait(fruitless, self.attempts(), None) {
                return Err(Error::BrokeOff {
                    digest: digest.clone(),
                    got_bytes,
                    size_bytes: transfer.size_bytes,
                    source: failure,
                });
            }
        }
        Ok(true)
    }

    /// A small blob, whole and checked: a configuration.
    pub fn document_blob(&self, digest: &Digest, size_bytes: u64) -> Result<Vec<u8>> {
        if size_bytes > crate::answer::MAX_DOCUMENT_BYTES {
            let what = format!("{}@{digest}", self.reference.familiar_repository());
            let limit = crate::answer::MAX_DOCUMENT_BYTES;
            return Err(Error::unusable(
                &what,
                format!("a configuration has {limit} bytes at most"),
            ));
        }
        let mut bytes = Vec::new();
        self.fetch_blob(digest, size_bytes, 0, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        let actual = digest_of(&bytes, digest.algorithm());
        if actual == *digest {
            return Ok(bytes);
        }
        Err(Error::DigestMismatch { what: "the blob".to_owned(), expected: digest.clone(), actual })
    }

    /// The bytes that a transfer lacks. A registry that does not know ranges sends all.
    fn open_blob(
        &self,
        transfer: &Transfer<'_>,
        whole: Whole,
    ) -> Result<Option<impl Read + use<>>> {
        let Transfer { digest, got_bytes: from, end_bytes, size_bytes, .. } = *transfer;
        let path = format!("blobs/{digest}");
        let mut call = Call::new(Method::GET, &path);
        if from > 0 || end_bytes < size_bytes {
            call = call.header("Range", format!("bytes={from}-{}", end_bytes.saturating_sub(1)));
        }
        let answer = self.send(&call)?;
        let kind = answer.header("content-type").unwrap_or_default();
        // Networks that want a login first answer everything so.
        if answer.is_success() && kind.starts_with("text/html") {
            return Err(Error::unusable(&answer.url, "it is no blob but a page for people"));
        }
        let skip = match answer.status() {
            404 => {
                let repository = self.reference.familiar_repository();
                return Err(Error::NoBlob { digest: digest.clone(), repository });
            }
            206 if starts_at(answer.header("content-range"), from) => 0,
            206 => return Err(Error::unusable(&answer.url, "it is another range than asked for")),
            200 | 416 if whole == Whole::Refused => return Ok(None),
            200 => from,
            _ => return Err(self.refusal(answer)),
        };
        let body = answer.response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Some(Skip { inner: body, left: skip }))
    }
}

/// What becomes of a whole blob where a part was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// The bytes before the part are read and left out.
    Skipped,
    /// It is not read.
    Refused,
}

fn starts_at(content_range: Option<&str>, from: u64) -> bool {
    let first = content_range.and_then(|text| text.strip_prefix("bytes "));
    first
        .and_then(|text| text.split('-').next())
        .is_some_and(|text| text.trim().parse() == Ok(from))
}

/// A blob, or a part of one, that comes in over one or more connections.
struct Transfer<'a> {
    digest: &'a Digest,
    size_bytes: u64,
    got_bytes: u64,
    /// Where it ends.
    end_bytes: u64,
    sink: &'a mut dyn FnMut(&[u8]) -> io::Result<()>,
}

impl Transfer<'_> {
    /// Reads one body to its end. The inner error is the connection's, after which another may go on.
    fn run(&mut self, mut body: impl Read) -> Result<Result<(), io::Error>> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = match body.read(&mut chunk) {
                Ok(0) if self.got_bytes == self.end_bytes => return Ok(Ok(())),
                Ok(0) => return Ok(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Everything is here: how the connection ends does not matter.
                Err(_) if self.got_bytes == self.end_bytes => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            };
            let wanted = self.end_bytes - self.got_bytes;
            // A part may come with what follows it.
            let is_part = self.end_bytes < self.size_bytes;
            let count =
                if is_part { count.min(usize::try_from(wanted).unwrap_or(count)) } else { count };
            if count as u64 > wanted {
                let digest = self.digest.clone();
                return Err(Error::TooLong { digest, size_bytes: self.size_bytes });
            }
            (self.sink)(&chunk[..count])
                .map_err(|source| Error::Sink { digest: self.digest.clone(), source })?;
            self.got_bytes += count as u64;
            if is_part && self.got_bytes == self.end_bytes {
                return Ok(Ok(()));
            }
        }
    }
}

/// A reader without its first bytes.
struct Skip<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Skip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left > 0 {
            let limit = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
            match self.inner.read(&mut buffer[..limit])? {
                0 => return Ok(0),
                count => self.left -= count as u64,
            }
        }
        self.inner.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert!(starts_at(Some("bytes 5-9/10"), 5));
        for other in [Some("bytes 4-9/10"), Some("items 5-9/10"), Some("bytes */10"), None] {
            assert!(!starts_at(other, 5), "{other:?}");
        }
    }

    #[test]
    fn the_first_part_is_skipped() {
        let mut text = String::new();
        Skip { inner: &b"abcdef"[..], left: 4 }.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ef");
        assert_eq!(Skip { inner: &b"ab"[..], left: 4 }.read(&mut [0; 8]).unwrap(), 0);
    }
}
