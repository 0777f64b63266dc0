//! Answers that go on: as bytes to read, or as JSON documents one after the other.

use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Incoming};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, ReadBuf};

use crate::Result;
use crate::error::Error;

/// The longest line of a stream of documents.
const LINE_LIMIT_BYTES: u64 = 4 << 20;

/// The body of an answer as a reader. Dropping it closes the connection.
#[derive(Debug)]
pub struct BodyReader {
    request: String,
    body: Incoming,
    rest: Bytes,
}

impl BodyReader {
    pub(crate) fn new(request: String, body: Incoming) -> Self {
        Self { request, body, rest: Bytes::new() }
    }

    /// Reads the body as documents, one a line.
    pub fn json_lines<T>(self) -> JsonLines<T> {
        let request = self.request.clone();
        JsonLines { request, reader: BufReader::new(self), line: Vec::new(), of: PhantomData }
    }

    /// Reads the one document that the body will be.
    pub async fn json<T: DeserializeOwned>(mut self) -> Result<T> {
        let mut text = Vec::new();
        let request = self.request.clone();
        let read = (&mut self).take(LINE_LIMIT_BYTES).read_to_end(&mut text).await;
        read.map_err(|source| Error::Stream { request: request.clone(), source })?;
        serde_json::from_slice(&text).map_err(|source| Error::Answer { request, source })
    }
}

impl AsyncRead for BodyReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                // Trailers are not data.
                Some(Ok(frame)) => this.rest = frame.into_data().unwrap_or_default(),
            }
        }
        let length = this.rest.len().min(buffer.remaining());
        buffer.put_slice(&this.rest[..length]);
        this.rest.advance(length);
        Poll::Ready(Ok(()))
    }
}

/// Documents of type `T`, one a line.
#[derive(Debug)]
pub struct JsonLines<T> {
    request: String,
    reader: BufReader<BodyReader>,
    line: Vec<u8>,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> JsonLines<T> {
    /// The next document, or `None` at the end of the stream. Blank lines are skipped.
    pub async fn next(&mut self) -> Result<Option<T>> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.reader).take(LINE_LIMIT_BYTES);
            let read = limited.read_until(b'\n', &mut self.line).await;
            let read =
                read.map_err(|source| Error::Stream { request: self.request.clone(), source })?;
            if read == 0 {
                return Ok(None);
            }
            if !self.line.trim_ascii().is_empty() {
                return serde_json::from_slice(&self.line)
                    .map(Some)
                    .map_err(|source| Error::Answer { request: self.request.clone(), source });
            }
        }
    }
}
