//! Bodies of requests: a document that is there as a whole, or bytes that are read while they are sent.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};

/// How much of a stream is sent at once.
const CHUNK_BYTES: usize = 64 << 10;

/// What goes with a request.
pub enum Upload {
    /// Bytes that are there; none is an empty body.
    Whole(Bytes),
    /// Bytes of unknown number, sent in chunks until the reader's end.
    Stream(Pin<Box<dyn AsyncRead + Send>>),
}

impl Upload {
    /// No body.
    pub(crate) fn empty() -> Self {
        Self::Whole(Bytes::new())
    }

    /// Sends what `reader` gives.
    pub fn stream(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::Stream(Box::pin(reader))
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Stream(reader) => {
                let mut space = vec![0; CHUNK_BYTES];
                let mut buffer = ReadBuf::new(&mut space);
                ready!(reader.as_mut().poll_read(context, &mut buffer))?;
                let filled = buffer.filled().len();
                space.truncate(filled);
                Poll::Ready((filled > 0).then(|| Ok(Frame::data(space.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
