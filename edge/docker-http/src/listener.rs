//! Where clients come in: a unix socket or a TCP port that somebody else has opened.

use std::io;

use tokio::net::{TcpListener, UnixListener};

use crate::socket::{ClientSocket, Transport};

/// An open listener.
#[derive(Debug)]
pub enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// Waits for the next client.
    pub(crate) async fn accept(&self) -> io::Result<ClientSocket> {
        let transport = match self {
            Self::Unix(listener) => Transport::Unix(listener.accept().await?.0),
            Self::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                // Keystrokes and small frames must not wait for each other.
                stream.set_nodelay(true)?;
                Transport::Tcp(stream)
            }
        };
        Ok(ClientSocket::new(transport))
    }
}
