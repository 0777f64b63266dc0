//! The daemon's sockets: parsed from `--host`, opened, and removed again at the end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gantry_docker_http::Listener;
use gantry_sys::unix_socket;
use tokio::net::{TcpListener, UnixListener};

use crate::error::Error;
use crate::fresh_dirs::FreshDirs;

/// The port of `tcp://` without one.
const DEFAULT_PORT: u16 = 2375;
/// Root and the socket's group may use the API, which is as good as being root.
const SOCKET_MODE: u32 = 0o660;
/// Who may connect is said by the socket itself.
const SOCKET_DIR_MODE: u32 = 0o755;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl FromStr for Host {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |reason| Error::Host { host: text.to_owned(), reason };
        match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("unix", _)) => Err(invalid("unix:// needs an absolute path")),
            Some(("tcp", address)) => {
                let address = address.trim_end_matches('/');
                let address = if address.is_empty() { "127.0.0.1" } else { address };
                let with_port = format!("{address}:{DEFAULT_PORT}");
                let parsed = address.parse().or_else(|_| with_port.parse());
                parsed.map(Self::Tcp).map_err(|_| invalid("tcp:// needs an IP address and a port"))
            }
            Some(("fd", _)) => Err(invalid("sockets from systemd (fd://) are not there yet")),
            _ => Err(invalid("unix:///path and tcp://address:port are known")),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// An open listener, and the socket file that has to go at the end.
pub(crate) struct Bound {
    pub listener: Listener,
    pub socket: Option<SocketFile>,
}

/// A socket's file; removed when dropped.
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "cannot remove the socket");
        }
    }
}

/// Opens every host, or none; `dirs` makes what the sockets need.
pub(crate) async fn open(hosts: &[Host], dirs: &mut FreshDirs) -> Result<Vec<Bound>, Error> {
    let mut bound = Vec::with_capacity(hosts.len());
    for host in hosts {
        let failed = |source| Error::Listen { host: host.to_string(), source };
        bound.push(match host {
            Host::Unix(path) => unix(host, path, dirs)?,
            Host::Tcp(address) => {
                if !address.ip().is_loopback() {
                    tracing::warn!(%address, "anyone who reaches this address can become root here: there is no TLS yet");
                }
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                Bound { listener: Listener::Tcp(listener), socket: None }
            }
        });
    }
    Ok(bound)
}

fn unix(host: &Host, path: &Path, dirs: &mut FreshDirs) -> Result<Bound, Error> {
    let failed = |source| Error::Listen { host: host.to_string(), source };
    if let Some(dir) = path.parent() {
        dirs.make(dir, SOCKET_DIR_MODE).map_err(failed)?;
    }
    match unix_socket::connect(path) {
        Ok(_) => return Err(Error::Answered { host: host.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // Nobody listens any more: a daemon was killed here.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    let listener = unix_socket::bind_listener(path).map_err(failed)?;
    let socket = Some(SocketFile(path.to_owned()));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = UnixListener::from_std(listener).map_err(failed)?;
    Ok(Bound { listener: Listener::Unix(listener), socket })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts() {
        let cases = [
            ("unix:///run/g.sock", "unix:///run/g.sock"),
            ("tcp://127.0.0.1:4000", "tcp://127.0.0.1:4000"),
            ("tcp://127.0.0.1", "tcp://127.0.0.1:2375"),
            ("tcp://[::1]:80", "tcp://[::1]:80"),
            ("tcp://", "tcp://127.0.0.1:2375"),
        ];
        for (text, shown) in cases {
            assert_eq!(text.parse::<Host>().unwrap().to_string(), shown);
        }
        for text in ["", "/run/g.sock", "unix://relative", "tcp://name", "fd://", "http://x"] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }
}
