//! Bodies of requests: a document that is there as a whole, or bytes that are read while they are sent.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

/// How much of a stream is sent at once.
const CHUNK_BYTES: usize = 64 << 10;

/// How much of a file is sent at once.
const PIECE_BYTES: usize = 256 << 10;

/// Pieces of a file that wait to be sent.
const PIECES: usize = 4;

/// What goes with a request.
pub enum Upload {
    /// Bytes that are there; none is an empty body.
    Whole(Bytes),
    /// Bytes of unknown number, sent in chunks until the reader's end.
    Stream(Pin<Box<dyn AsyncRead + Send>>),
    /// The same in pieces that somebody else has read.
    Pieces(mpsc::Receiver<io::Result<Bytes>>),
}

impl Upload {
    /// No body.
    pub fn empty() -> Self {
        Self::Whole(Bytes::new())
    }

    /// Sends what `reader` gives.
    pub fn stream(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::Stream(Box::pin(reader))
    }

    /// Sends a file from where it stands, read ahead by a thread.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn file(file: File) -> io::Result<Self> {
        let (sender, pieces) = mpsc::channel(PIECES);
        let reading = move || {
            loop {
                let piece = next_piece(&file);
                let is_last = !piece.as_ref().is_ok_and(|piece| !piece.is_empty());
                // A request that was given up wants no more.
                if sender.blocking_send(piece).is_err() || is_last {
                    return;
                }
            }
        };
        thread::Builder::new().name("upload".to_owned()).spawn(reading)?;
        Ok(Self::Pieces(pieces))
    }
}

/// Empty at the file's end.
fn next_piece(file: &File) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    file.take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
    Ok(piece.into())
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Stream(_) | Self::Pieces(_) => f.write_str("Stream"),
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
            Self::Pieces(pieces) => {
                let piece = ready!(pieces.poll_recv(context)).transpose()?;
                Poll::Ready(
                    piece.filter(|piece| !piece.is_empty()).map(|piece| Ok(Frame::data(piece))),
                )
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) | Self::Pieces(_) => SizeHint::default(),
        }
    }
}
