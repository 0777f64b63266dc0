//! Where to listen, as `--host` says it.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use crate::error::Error;

/// The ports of `tcp://` without one.
const PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Unix(PathBuf),
    Tcp(SocketAddr),
    /// Sockets that systemd passes on: empty or `*` for all, a descriptor's number, or a socket's name.
    Passed(String),
}

/// What a host is that says only half of itself.
pub(crate) struct HostDefaults {
    /// The path of `unix://`.
    pub socket: PathBuf,
    /// Whether TLS is spoken over TCP.
    pub tls: bool,
}

impl Host {
    /// Reads one host; names are looked up now.
    pub(crate) fn parse(text: &str, defaults: &HostDefaults) -> Result<Self, Error> {
        let invalid = |reason: &str| Error::Host { host: text.to_owned(), reason: reason.into() };
        match text.split_once("://") {
            Some(("unix", "")) => Ok(Self::Unix(defaults.socket.clone())),
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("unix", _)) => Err(invalid("unix:// needs an absolute path")),
            Some(("tcp", address)) => {
                let port = if defaults.tls { TLS_PORT } else { PORT };
                tcp(address.trim_end_matches('/'), port)
                    .map(Self::Tcp)
                    .map_err(|reason| Error::Host { host: text.to_owned(), reason })
            }
            Some(("fd", which)) => Ok(Self::Passed(which.to_owned())),
            _ => Err(invalid("unix:///path, tcp://address:port and fd:// are known")),
        }
    }
}

/// An address or a name, with or without a port.
fn tcp(text: &str, port: u16) -> Result<SocketAddr, String> {
    let local = format!("127.0.0.1{text}");
    let text = if text.is_empty() || text.starts_with(':') { local.as_str() } else { text };
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let with_port = format!("{text}:{port}");
    if let Ok(address) = with_port.parse() {
        return Ok(address);
    }
    let name = if text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        text
    } else {
        with_port.as_str()
    };
    let found =
        name.to_socket_addrs().map_err(|error| format!("{name} cannot be looked up: {error}"))?;
    // Where a name means both, clients try the older one in any case.
    let found: Vec<SocketAddr> = found.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| format!("{name} has no address"))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Passed(which) => write!(f, "fd://{which}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts() {
        let shown = |text: &str, tls| {
            let defaults = HostDefaults { socket: "/run/g.sock".into(), tls };
            Host::parse(text, &defaults).map(|host| host.to_string())
        };
        for (text, expected) in [
            ("unix:///run/other.sock", "unix:///run/other.sock"),
            ("unix://", "unix:///run/g.sock"),
            ("tcp://127.0.0.1:4000", "tcp://127.0.0.1:4000"),
            ("tcp://127.0.0.1", "tcp://127.0.0.1:2375"),
            ("tcp://[::1]:80", "tcp://[::1]:80"),
            ("tcp://[::1]", "tcp://[::1]:2375"),
            ("tcp://localhost:99/", "tcp://127.0.0.1:99"),
            ("tcp://", "tcp://127.0.0.1:2375"),
            ("tcp://:99", "tcp://127.0.0.1:99"),
            ("fd://", "fd://"),
            ("fd://3", "fd://3"),
        ] {
            assert_eq!(shown(text, false).unwrap(), expected);
        }
        assert_eq!(shown("tcp://0.0.0.0", true).unwrap(), "tcp://0.0.0.0:2376");
        for text in ["", "/run/g.sock", "unix://relative", "tcp://no.such.name.invalid", "http://x"]
        {
            assert!(shown(text, false).is_err(), "{text}");
        }
    }
}
