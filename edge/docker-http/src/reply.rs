//! Answers: JSON, nothing, text, and bodies that arrive bit by bit.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gantry_api::ErrorResponse;
use gantry_engine::container::LogStream;
use gantry_types::error_chain;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::error::Error;
use crate::{hijack, status};

/// One answer.
pub(crate) type Reply = Response<ReplyBody>;

/// The body of an answer. A client that goes away drops it, and with it whatever feeds it.
pub(crate) enum ReplyBody {
    Empty,
    Whole(Option<Bytes>),
    /// One piece that is not there yet; the head goes out before it.
    Later(Pin<Box<dyn Future<Output = Bytes> + Send>>),
    /// Pieces as they come.
    Pieces(mpsc::Receiver<Bytes>),
    /// An archive as it is written. A failure breaks the connection: nobody takes a half for the whole.
    Archive(mpsc::Receiver<io::Result<Bytes>>),
    /// A log as it is read; a failure is told in the stream itself, as there is no other place left for it.
    Log(LogStream),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match &mut *self {
            Self::Empty => None,
            Self::Whole(bytes) => bytes.take(),
            Self::Later(future) => {
                let bytes = ready!(future.as_mut().poll(cx));
                *self = Self::Empty;
                Some(bytes)
            }
            Self::Pieces(pieces) => ready!(pieces.poll_recv(cx)),
            Self::Archive(pieces) => {
                return Poll::Ready(
                    ready!(pieces.poll_recv(cx)).map(|piece| piece.map(Frame::data)),
                );
            }
            Self::Log(log) => {
                let tty = log.tty;
                ready!(log.chunks.poll_recv(cx))
                    .map(|chunk| chunk.unwrap_or_else(|error| log_failed(tty, &error)))
            }
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty | Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Whole(None) => SizeHint::with_exact(0),
            Self::Whole(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Later(_) | Self::Pieces(_) | Self::Archive(_) | Self::Log(_) => {
                SizeHint::default()
            }
        }
    }
}

impl ReplyBody {
    /// All of it, where it is there as a whole.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) => bytes.as_ref(),
            _ => None,
        }
    }
}

fn log_failed(tty: bool, error: &gantry_engine::Error) -> Bytes {
    let text = format!("Error grabbing logs: {}\n", error_chain(error));
    if tty { text.into() } else { hijack::frame(2, &text) }
}

/// Marks an answer that tells of what goes on, for as long as it does: nothing is lost when the server ends it.
#[derive(Debug, Clone, Copy)]
struct LooksOn;

/// Lets the server end this answer when it ends itself.
pub(crate) fn looking_on(mut reply: Reply) -> Reply {
    reply.extensions_mut().insert(LooksOn);
    reply
}

/// Whether [`looking_on`] was said of it.
pub(crate) fn looks_on(reply: &Reply) -> bool {
    reply.extensions().get::<LooksOn>().is_some()
}

/// Clients compare it literally, so it has no charset.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Docker's type for archives.
pub(crate) const TAR: HeaderValue = HeaderValue::from_static("application/x-tar");

/// Text that is sent as it is.
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut response = Response::new(ReplyBody::Empty);
    *response.status_mut() = status;
    response
}

/// `204`: done, nothing to tell.
#[expect(clippy::unnecessary_wraps, reason = "the last line of most handlers")]
pub(crate) fn no_content() -> Result<Reply, Error> {
    Ok(empty(StatusCode::NO_CONTENT))
}

/// A document, with the line feed that Docker's encoder ends with.
pub(crate) fn json<T: Serialize + ?Sized>(
    status: StatusCode,
    document: &T,
) -> Result<Reply, Error> {
    Ok(json_bytes(status, json_line(document)?))
}

/// A document that has been written already.
pub(crate) fn json_bytes(status: StatusCode, document: Bytes) -> Reply {
    typed(status, JSON, ReplyBody::Whole(Some(document)))
}

/// One document as one line.
pub(crate) fn json_line<T: Serialize + ?Sized>(document: &T) -> Result<Bytes, Error> {
    let mut text = serde_json::to_vec(document).map_err(|source| Error::Answer { source })?;
    text.push(b'\n');
    Ok(text.into())
}

/// An answer of another type than JSON, or one that is streamed.
pub(crate) fn typed(status: StatusCode, content_type: HeaderValue, body: ReplyBody) -> Reply {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// `{"message": …}` with the status of the error's kind.
pub(crate) fn error(error: &Error) -> Reply {
    let status = status::of(error.kind());
    if status == StatusCode::NOT_MODIFIED {
        return empty(status);
    }
    let message = error_chain(error);
    // The other statuses of the same hundred say what is not there, which is nobody's fault.
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::warn!(%status, error = message, "a request failed");
    }
    let document = ErrorResponse { message };
    match json(status, &document) {
        Ok(reply) => reply,
        Err(_) => empty(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_a_message_of_exactly_this_type() {
        let reply = error(&Error::NoSuchRoute);
        assert_eq!(reply.status(), StatusCode::NOT_FOUND);
        assert_eq!(reply.headers()[CONTENT_TYPE], "application/json");
        let ReplyBody::Whole(Some(text)) = reply.into_body() else { panic!("no body") };
        assert_eq!(text, "{\"message\":\"page not found\"}\n");
    }
}
