//! Where clients come in: a unix socket or a TCP port that somebody else has opened.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_keepalive, set_socket_send_buffer_size_force};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use crate::socket::{ClientSocket, Transport};
use crate::tls::{Acceptor, Peer};

/// How long a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What the kernel takes of an answer before its client reads: a list of a thousand containers.
const SENT_AT_ONCE_BYTES: usize = 1 << 20;

/// An open listener.
#[derive(Debug)]
pub enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
    /// TCP with TLS.
    Tls(TcpListener, Arc<Acceptor>),
}

/// A client that has come in and said nothing yet.
pub(crate) enum Newcomer {
    Ready(ClientSocket),
    /// It has to shake hands first, which nobody else waits for.
    Tls(TcpStream, Arc<Acceptor>),
}

impl Listener {
    /// Where it is, as clients name it.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|it| it.as_pathname());
                path.map_or_else(
                    || "a unix socket".to_owned(),
                    |it| format!("unix://{}", it.display()),
                )
            }
            Self::Tcp(listener) | Self::Tls(listener, _) => {
                let address = listener.local_addr();
                address.map_or_else(|_| "a TCP port".to_owned(), |it| format!("tcp://{it}"))
            }
        }
    }

    /// Waits for the next client.
    pub(crate) async fn accept(&self) -> io::Result<Newcomer> {
        Ok(match self {
            Self::Unix(listener) => {
                let stream = listener.accept().await?.0;
                // Who may not have more gets long answers in several pieces.
                set_socket_send_buffer_size_force(&stream, SENT_AT_ONCE_BYTES).ok();
                Newcomer::Ready(ClientSocket::new(Transport::Unix(stream)))
            }
            Self::Tcp(listener) => {
                let stream = tcp(listener).await?;
                Newcomer::Ready(ClientSocket::new(Transport::Tcp(stream)))
            }
            Self::Tls(listener, acceptor) => {
                Newcomer::Tls(tcp(listener).await?, Arc::clone(acceptor))
            }
        })
    }
}

async fn tcp(listener: &TcpListener) -> io::Result<TcpStream> {
    let stream = listener.accept().await?.0;
    // Keystrokes and small frames must not wait for each other.
    stream.set_nodelay(true)?;
    // A client whose machine has gone away is not waited for without an end.
    set_socket_keepalive(&stream, true)?;
    Ok(stream)
}

impl Newcomer {
    /// The connection, and who is there if it was shown.
    pub(crate) async fn ready(self) -> io::Result<(ClientSocket, Option<Peer>)> {
        let (stream, acceptor) = match self {
            Self::Ready(socket) => return Ok((socket, None)),
            Self::Tls(stream, acceptor) => (stream, acceptor),
        };
        let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await??;
        let peer = Peer::of(&stream);
        let transport = Transport::tls(stream)?;
        Ok((ClientSocket::new(transport), peer))
    }
}
