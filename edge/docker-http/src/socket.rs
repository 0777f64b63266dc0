//! One client's connection as a stream of bytes, unix, TCP or TLS, that can keep an end of file back.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use gantry_sys::unix_socket::is_all_read;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{
    AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf, ReadHalf, Ready, WriteHalf, split,
};
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio_rustls::server::TlsStream;

use crate::first_line::FirstLine;

/// How long a client may leave alone what it was sent before it gets more.
const READ_PATIENCE: Duration = Duration::from_secs(1);
/// Nothing tells when it has read.
const LOOK_EVERY: Duration = Duration::from_millis(1);

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

/// The kinds of connections.
#[derive(Debug)]
pub(crate) enum Transport {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls {
        stream: Box<TlsStream<TcpStream>>,
        /// The same socket once more, to be looked at when the stream is in two halves.
        socket: OwnedFd,
    },
}

impl Transport {
    /// A connection whose ends have shaken hands.
    pub(crate) fn tls(stream: TlsStream<TcpStream>) -> io::Result<Self> {
        let socket = stream.get_ref().0.as_fd().try_clone_to_owned()?;
        Ok(Self::Tls { stream: Box::new(stream), socket })
    }
}

/// One client's connection.
#[derive(Debug)]
pub(crate) struct ClientSocket {
    transport: Transport,
    first_line: FirstLine,
    hold: EofHold,
}

impl ClientSocket {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, first_line: FirstLine::default(), hold: EofHold::default() }
    }

    /// The process id and the user id of a client on this machine, as the kernel noted them when it connected.
    pub(crate) fn credentials(&self) -> Option<(i32, u32)> {
        let Transport::Unix(stream) = &self.transport else { return None };
        let credentials = stream.peer_cred().ok()?;
        Some((credentials.pid()?, credentials.uid()))
    }

    /// The switch for this connection's end of file.
    pub(crate) fn eof_hold(&self) -> EofHold {
        self.hold.clone()
    }

    /// What was read from the client and given to nobody yet.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        self.first_line.take_rest()
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
            Transport::Tls { stream, socket } => {
                let (half, writer) = split(*stream);
                (ClientReader::Tls { half, socket }, ClientWriter::Tls(writer))
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
        if self.first_line.give(buffer) {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = match &mut self.transport {
            Transport::Unix(stream) => ready!(Pin::new(stream).poll_read(cx, buffer)),
            Transport::Tcp(stream) => ready!(Pin::new(stream).poll_read(cx, buffer)),
            Transport::Tls { stream, .. } => ready!(Pin::new(stream).poll_read(cx, buffer)),
        };
        if !self.first_line.is_done() {
            self.first_line.mend(buffer, before);
        }
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
            Transport::Tls { stream, .. } => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls { stream, .. } => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls { stream, .. } => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// What a client sends.
pub(crate) enum ClientReader {
    Unix(unix::OwnedReadHalf),
    Tcp(tcp::OwnedReadHalf),
    Tls { half: ReadHalf<TlsStream<TcpStream>>, socket: OwnedFd },
}

impl ClientReader {
    /// Whether nothing can be written to the client any more, as `poll(2)`'s `POLLHUP` and `POLLERR` say it.
    pub(crate) async fn hung_up(&self) -> bool {
        let ready = match self {
            Self::Unix(half) => half.ready(Interest::WRITABLE).await,
            Self::Tcp(half) => half.ready(Interest::WRITABLE).await,
            Self::Tls { socket, .. } => return has_hung_up(socket),
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
            Self::Tls { half, .. } => Pin::new(half).poll_read(cx, buffer),
        }
    }
}

/// What a client reads.
pub(crate) enum ClientWriter {
    Unix(unix::OwnedWriteHalf),
    Tcp(tcp::OwnedWriteHalf),
    Tls(WriteHalf<TlsStream<TcpStream>>),
}

impl ClientWriter {
    /// Writes all of it and lets it go: TLS would keep the end of what the socket does not take at once until somebody
    /// writes again.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await
    }

    /// Waits until the client has read all that was sent, but not for long. Only a unix socket tells.
    pub(crate) async fn read_by_client(&self) {
        let Self::Unix(half) = self else { return };
        let stream: &UnixStream = half.as_ref();
        let has_read = async {
            while matches!(is_all_read(stream.as_fd()), Ok(false)) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // Who takes longer is served like one that cannot tell.
        tokio::time::timeout(READ_PATIENCE, has_read).await.unwrap_or_default();
    }
}

/// Whether nothing can be written to a socket any more, without waiting.
fn has_hung_up(socket: &OwnedFd) -> bool {
    let mut looked_at = [PollFd::new(socket, PollFlags::empty())];
    match poll(&mut looked_at, Some(&Timespec::default())) {
        Ok(_) => looked_at[0].revents().intersects(PollFlags::HUP | PollFlags::ERR),
        Err(_) => true,
    }
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
            Self::Tls(half) => Pin::new(half).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(half) => Pin::new(half).poll_flush(cx),
            Self::Tcp(half) => Pin::new(half).poll_flush(cx),
            Self::Tls(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(half) => Pin::new(half).poll_shutdown(cx),
            Self::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            Self::Tls(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
