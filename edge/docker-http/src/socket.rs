//! One client's connection as a stream of bytes, unix or TCP, that can keep an end of file back.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

/// Keeps an end of file from the HTTP machinery while a request is about to take the connection over.
///
/// There, the end of the client's side means "no more stdin"; to HTTP it means that the client went away, and the
/// request would be dropped before its handler is ready.
#[derive(Debug, Clone, Default)]
pub(crate) struct EofHold(Arc<Mutex<Hold>>);

#[derive(Debug, Default)]
struct Hold {
    on: bool,
    waiting: Option<Waker>,
}

impl EofHold {
    /// From now on an end of file looks like silence.
    pub(crate) fn hold(&self) {
        self.lock().on = true;
    }

    /// From now on an end of file is told; whoever saw silence instead looks again.
    pub(crate) fn release(&self) {
        let mut hold = self.lock();
        hold.on = false;
        if let Some(waker) = hold.waiting.take() {
            waker.wake();
        }
    }

    fn keeps(&self, cx: &Context<'_>) -> bool {
        let mut hold = self.lock();
        if hold.on {
            hold.waiting = Some(cx.waker().clone());
        }
        hold.on
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Hold> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The two kinds of connections.
#[derive(Debug)]
pub(crate) enum Transport {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// One client's connection.
#[derive(Debug)]
pub(crate) struct ClientSocket {
    transport: Transport,
    hold: EofHold,
}

impl ClientSocket {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, hold: EofHold::default() }
    }

    /// The switch for this connection's end of file.
    pub(crate) fn eof_hold(&self) -> EofHold {
        self.hold.clone()
    }

    /// The two directions, to be used apart. From here on every end of file is told.
    pub(crate) fn into_split(self) -> (ClientReader, ClientWriter) {
        match self.transport {
            Transport::Unix(stream) => {
                let (reader, writer) = stream.into_split();
                (ClientReader::Unix(reader), ClientWriter::Unix(writer))
            }
            Transport::Tcp(stream) => {
                let (reader, writer) = stream.into_split();
                (ClientReader::Tcp(reader), ClientWriter::Tcp(writer))
            }
        }
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = match &mut self.transport {
            Transport::Unix(stream) => ready!(Pin::new(stream).poll_read(cx, buffer)),
            Transport::Tcp(stream) => ready!(Pin::new(stream).poll_read(cx, buffer)),
        };
        let ended = result.is_ok() && buffer.remaining() > 0 && buffer.filled().len() == before;
        if ended && self.hold.keeps(cx) { Poll::Pending } else { Poll::Ready(result) }
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// What a client sends.
pub(crate) enum ClientReader {
    Unix(unix::OwnedReadHalf),
    Tcp(tcp::OwnedReadHalf),
}

impl ClientReader {
    /// Whether nothing can be written to the client any more, as `poll(2)`'s `POLLHUP` and `POLLERR` say it.
    pub(crate) async fn hung_up(&self) -> bool {
        let ready = match self {
            Self::Unix(half) => half.ready(Interest::WRITABLE).await,
            Self::Tcp(half) => half.ready(Interest::WRITABLE).await,
        };
        ready.map_or(true, Ready::is_write_closed)
    }
}

impl AsyncRead for ClientReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(half) => Pin::new(half).poll_read(cx, buffer),
            Self::Tcp(half) => Pin::new(half).poll_read(cx, buffer),
        }
    }
}

/// What a client reads.
pub(crate) enum ClientWriter {
    Unix(unix::OwnedWriteHalf),
    Tcp(tcp::OwnedWriteHalf),
}

impl AsyncWrite for ClientWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(half) => Pin::new(half).poll_write(cx, bytes),
            Self::Tcp(half) => Pin::new(half).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(half) => Pin::new(half).poll_flush(cx),
            Self::Tcp(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(half) => Pin::new(half).poll_shutdown(cx),
            Self::Tcp(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
