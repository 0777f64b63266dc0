//! One HTTP connection to the daemon: dialling it over either kind of address.

use std::io;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::error::Error;
use crate::host::Host;
use crate::upload::Upload;

/// The sending half of a connection.
pub(crate) type Sender = SendRequest<Upload>;

/// Opens a connection and starts its driver.
pub(crate) async fn dial(host: &Host) -> Result<Sender, Error> {
    let opened = match host {
        Host::Unix(path) => match unix(path) {
            Ok(stream) => handshake(stream).await,
            Err(source) => Err(source),
        },
        Host::Tcp { name, port } => match TcpStream::connect((name.as_str(), *port)).await {
            Ok(stream) => {
                // Keystrokes go out one by one. A socket that cannot do this works all the same.
                stream.set_nodelay(true).unwrap_or(());
                handshake(stream).await
            }
            Err(source) => Err(source),
        },
    };
    opened.map_err(|source| Error::connect(host, source))
}

/// A connect to a Unix socket does not wait for the other side, so it may be done right here.
fn unix(path: &std::path::Path) -> io::Result<UnixStream> {
    let stream = gantry_sys::unix_socket::connect(path)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

async fn handshake<S>(stream: S) -> io::Result<Sender>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // A failure of the driver reaches whoever waits for an answer; there is nobody else to tell.
    tokio::spawn(async move { connection.with_upgrades().await.unwrap_or(()) });
    Ok(sender)
}
