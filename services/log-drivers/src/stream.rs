//! Connections to remotes: streams and datagrams. Nothing here waits longer than it was told to.

use crate::Error;
use crate::address::{Address, Scheme};
use crate::tls;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, socket_with,
};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection may take to be made, and a write or an answer to get through.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a remote may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    pub(crate) read: Duration,
    pub(crate) write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { read: PATIENCE, write: PATIENCE }
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects. `tls` is for an address that wants it.
    pub(crate) fn connect(
        driver: &'static str,
        address: &Address,
        tls: Option<&Arc<ClientConfig>>,
        patience: Patience,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Connect { driver, address: address.to_string(), source };
        match address {
            Address::Path { path, .. } => connect_unix(path, patience).map(Self::Unix),
            Address::Host { scheme, host, port } => {
                connect_tcp(host, *port, patience).and_then(|stream| {
                    match tls.filter(|_| *scheme == Scheme::Tls) {
                        None => Ok(Self::Tcp(stream)),
                        Some(config) => tls::handshake(config, host, stream)
                            .map(|stream| Self::Tls(Box::new(stream))),
                    }
                })
            }
        }
        .map_err(failed)
    }

    /// Whether the other side has closed the connection. A write might still succeed then, and be lost.
    pub(crate) fn is_closed(&mut self) -> bool {
        if let Self::Tls(stream) = self {
            return tls::is_closed(stream);
        }
        let mut byte = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match recv(self.socket(), &mut byte, flags) {
            Ok((_, length)) => length == 0,
            Err(errno) => !matches!(errno, rustix::io::Errno::AGAIN | rustix::io::Errno::INTR),
        }
    }

    fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
        .map_err(too_late)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
        .map_err(too_late)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
        .map_err(too_late)
    }
}

/// A socket's own time limit says that it would have to wait.
fn too_late(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

fn connect_tcp(host: &str, port: u16, patience: Patience) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(patience.read))?;
                stream.set_write_timeout(Some(patience.write))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn connect_unix(path: &Path, patience: Patience) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // It limits the connecting too, where the queue of those who are not accepted yet is full.
    set_socket_timeout(&socket, Timeout::Send, Some(patience.write))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(patience.read))?;
    connect(&socket, &address).map_err(|errno| too_late(errno.into()))?;
    Ok(socket.into())
}

/// A socket whose other end is known.
#[derive(Debug)]
pub(crate) enum Datagrams {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Datagrams {
    pub(crate) fn connect(driver: &'static str, address: &Address) -> Result<Self, Error> {
        let failed = |source| Error::Connect { driver, address: address.to_string(), source };
        match address {
            Address::Path { path, .. } => connect_datagrams(path).map(Self::Unix),
            Address::Host { host, port, .. } => connect_udp(host, *port).map(Self::Udp),
        }
        .map_err(failed)
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(bytes),
            Self::Unix(socket) => socket.send(bytes),
        }
        .map(drop)
        .map_err(too_late)
    }
}

fn connect_datagrams(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn connect_udp(host: &str, port: u16) -> io::Result<UdpSocket> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        match UdpSocket::bind(any).and_then(|socket| socket.connect(address).map(|()| socket)) {
            Ok(socket) => {
                socket.set_write_timeout(Some(PATIENCE))?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
