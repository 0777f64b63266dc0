//! Bodies of requests: JSON within limits, and archives as a stream that synchronous code reads.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::HeaderValue;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::error::Error;

/// Pieces of an archive between the connection and its reader.
const PIECES_IN_FLIGHT: usize = 16;
/// How long a reader that pauses waits for one.
const PAUSE: Duration = Duration::from_millis(200);

/// The body of a request: on its way, or read already because somebody had to judge it first.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Coming(Incoming),
    Read(Bytes),
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Coming(body) => Pin::new(body).poll_frame(cx),
            Self::Read(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Read(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Coming(body) => body.is_end_stream(),
            Self::Read(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Coming(body) => body.size_hint(),
            Self::Read(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

/// Fails when there is a body that does not say it is JSON.
pub(crate) fn check_type(header: Option<&HeaderValue>, body: &impl Body) -> Result<(), Error> {
    let text = match header {
        None if body.is_end_stream() => return Ok(()),
        None => "",
        Some(value) => value.to_str().unwrap_or("not text"),
    };
    if is_json(text) { Ok(()) } else { Err(Error::ContentType(text.to_owned())) }
}

/// Whether a content type is that of JSON, whatever stands behind it.
pub(crate) fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// The whole body, at most `limit_bytes`, within `timeout`.
pub(crate) async fn collect(
    body: RequestBody,
    limit_bytes: usize,
    timeout: Duration,
) -> Result<Bytes, Error> {
    if body.size_hint().lower() > limit_bytes as u64 {
        return Err(Error::TooLarge { limit_bytes });
    }
    let collected = tokio::time::timeout(timeout, Limited::new(body, limit_bytes).collect())
        .await
        .map_err(|_| Error::BodyTimeout { seconds: timeout.as_secs() })?;
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLarge { limit_bytes }),
        Err(source) => Err(Error::Body { source }),
    }
}

/// One document and nothing after it; an error names the field.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let document = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { String::new() } else { format!("{path}: ") };
        Error::Json { field, source: error.into_inner() }
    })?;
    let end = deserializer.end();
    end.map_err(|source| Error::Json {
        field: "unexpected content after JSON: ".to_owned(),
        source,
    })?;
    Ok(document)
}

/// A body as a reader for code that blocks; reading waits for the client, and the client waits for the reading.
pub(crate) struct BodyReader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    /// What can wait for a piece no longer than for a moment, where that is asked for.
    clock: Option<Handle>,
}

impl BodyReader {
    /// Starts to pass the body on, until nothing comes for `stall`. Dropping the reader stops it.
    pub(crate) fn new(mut body: RequestBody, stall: Duration) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES_IN_FLIGHT);
        tokio::spawn(async move {
            while let Some(piece) = next_piece(&mut body, stall).await {
                let last = piece.is_err();
                if sender.send(piece).await.is_err() {
                    drain(&mut body).await;
                    break;
                }
                if last {
                    break;
                }
            }
        });
        Self { pieces, current: Bytes::new(), clock: None }
    }

    /// From now on a read for which nothing comes ends soon with `TimedOut`, and may be tried again: whoever reads may have a reason
    /// not to.
    pub(crate) fn pausing(self) -> Self {
        Self { clock: Some(Handle::current()), ..self }
    }

    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let next = match &self.clock {
            None => self.pieces.blocking_recv(),
            Some(clock) => {
                // A timer begins where there is a runtime.
                let soon = async { tokio::time::timeout(PAUSE, self.pieces.recv()).await };
                clock.block_on(soon)?
            }
        };
        next.transpose()
    }
}

/// Reads on, within limits, what nobody wants any more. A client that is still writing when the connection closes sees a
/// broken pipe instead of the answer.
pub(crate) async fn drain(body: &mut RequestBody) {
    const LIMIT_BYTES: usize = 64 << 20;
    const LIMIT_TIME: Duration = Duration::from_secs(2);
    let read = async {
        let mut drained = 0;
        while drained < LIMIT_BYTES {
            match next_piece(body, LIMIT_TIME).await {
                Some(Ok(piece)) => drained += piece.len(),
                Some(Err(_)) | None => break,
            }
        }
    };
    // Whoever is slower than that has to live without the answer.
    drop(tokio::time::timeout(LIMIT_TIME, read).await);
}

/// The next bytes of a body; none at its end.
async fn next_piece(body: &mut RequestBody, stall: Duration) -> Option<io::Result<Bytes>> {
    let data = async {
        loop {
            match body.frame().await?.map(Frame::into_data) {
                Ok(Ok(data)) if !data.is_empty() => return Some(Ok(data)),
                // Trailers say nothing about an archive.
                Ok(_) => {}
                Err(error) => {
                    return Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)));
                }
            }
        }
    };
    tokio::time::timeout(stall, data).await.unwrap_or_else(|_| {
        let text =
            format!("no byte of the archive came from the client for {stall:?}; send it again");
        Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)))
    })
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.next()? {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let length = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use gantry_api::container::{Config, HostConfig};
    use http_body_util::{Empty, Full};

    use super::*;

    #[test]
    fn errors_name_the_field() {
        let error =
            parse::<HostConfig>(br#"{"RestartPolicy":{"MaximumRetryCount":"3"}}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid JSON: RestartPolicy.MaximumRetryCount: invalid type: string \"3\", expected i64 at line 1 column 41"
        );
        let error = parse::<Config>(b"{\"Tty\":").unwrap_err().to_string();
        assert!(error.starts_with("invalid JSON: Tty: EOF while parsing"), "{error}");
        let error = parse::<Config>(b"not json").unwrap_err().to_string();
        assert!(error.starts_with("invalid JSON: expected ident"), "{error}");
        let error = parse::<Config>(b"{} {}").unwrap_err().to_string();
        assert!(error.starts_with("invalid JSON: unexpected content after JSON"), "{error}");
        assert!(parse::<Config>(b" {} \n").is_ok());
    }

    #[test]
    fn only_json_passes_as_json() {
        let body = Full::new(Bytes::from_static(b"{}"));
        let check = |text: &'static str| check_type(Some(&HeaderValue::from_static(text)), &body);
        assert!(check("application/json").is_ok());
        assert!(check("Application/JSON; charset=utf-8").is_ok());
        assert_eq!(
            check("text/plain").unwrap_err().to_string(),
            "unsupported Content-Type header (text/plain): must be 'application/json'"
        );
        assert!(check("application/jsonp").is_err());
        assert!(check_type(None, &body).is_err());
        assert!(check_type(None, &Empty::<Bytes>::new()).is_ok());
        // A client may send a type with no body at all, as long as it is JSON.
        assert!(
            check_type(Some(&HeaderValue::from_static("text/plain")), &Empty::<Bytes>::new())
                .is_err()
        );
    }
}
