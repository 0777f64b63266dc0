//! One HTTP connection to the daemon: dialling it over any kind of address.

use std::io;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::error::Error;
use crate::host::Host;
use crate::tls::Tls;
use crate::upload::Upload;

/// The sending half of a connection.
pub(crate) type Sender = SendRequest<Upload>;

/// Bytes both ways.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Opens a connection and starts its driver; over TCP, with TLS where it is given.
pub(crate) async fn dial(host: &Host, tls: Option<&Tls>) -> Result<Sender, Error> {
    let wire = open(host, tls).await?;
    handshake(wire).await.map_err(|source| Error::connect(host, source))
}

/// Opens a connection on which nothing has been said.
pub(crate) async fn open(host: &Host, tls: Option<&Tls>) -> Result<Box<dyn Wire>, Error> {
    wire(host, tls).await.map_err(|source| Error::connect(host, source))
}

async fn wire(host: &Host, tls: Option<&Tls>) -> io::Result<Box<dyn Wire>> {
    Ok(match host {
        Host::Unix(path) => Box::new(unix(path)?),
        Host::Tcp { name, port } => {
            let stream = TcpStream::connect((name.as_str(), *port)).await?;
            // Keystrokes go out one by one. A socket that cannot do this works all the same.
            stream.set_nodelay(true).unwrap_or(());
            match tls {
                None => Box::new(stream),
                Some(tls) => Box::new(tls.connect(name, stream).await?),
            }
        }
        Host::Ssh(host) => Box::new(host.dial()?),
    })
}

/// A connect to a Unix socket does not wait for the other side, so it may be done right here.
fn unix(path: &std::path::Path) -> io::Result<UnixStream> {
    let stream = gantry_sys::unix_socket::connect(path)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

async fn handshake(wire: Box<dyn Wire>) -> io::Result<Sender> {
    let (sender, connection) =
        http1::handshake(TokioIo::new(wire)).await.map_err(io::Error::other)?;
    // A failure of the driver reaches whoever waits for an answer; there is nobody else to tell.
    tokio::spawn(async move { connection.with_upgrades().await.unwrap_or(()) });
    Ok(sender)
}
