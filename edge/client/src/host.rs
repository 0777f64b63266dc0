//! Where a daemon listens: `unix:///path` or `tcp://host:port`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The port of a daemon that listens without TLS, when the address names none.
const DEFAULT_PORT: u16 = 2375;

/// The text names no place that a daemon could listen at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse host \"{value}\": {reason}")]
pub struct InvalidHost {
    value: String,
    reason: &'static str,
}

/// The address of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A Unix socket; the path is absolute and may be longer than a socket address.
    Unix(PathBuf),
    /// A TCP port without TLS; `name` is a DNS name or an address, IPv6 without its brackets.
    Tcp { name: String, port: u16 },
}

impl FromStr for Host {
    type Err = InvalidHost;

    /// Takes `unix:///path`, `tcp://name[:port]`, and `http://name[:port]` as another word for the latter.
    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let invalid = |reason| InvalidHost { value: text.chars().take(200).collect(), reason };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| invalid("it takes the form unix:///path or tcp://host:port"))?;
        match scheme {
            "unix" if rest.starts_with('/') && !rest.contains('\0') => Ok(Self::Unix(rest.into())),
            "unix" => Err(invalid("the path of the socket must be absolute, as in unix:///path")),
            "tcp" | "http" => tcp(rest).ok_or_else(|| invalid("it takes the form tcp://host:port")),
            "https" => Err(invalid("TLS is not there yet, use tcp:// or unix://")),
            "ssh" => Err(invalid("ssh:// is not there yet, use unix:// or tcp://")),
            "fd" | "npipe" => Err(invalid("only unix:// and tcp:// can be connected to")),
            _ => Err(invalid("the scheme is unknown, use unix:// or tcp://")),
        }
    }
}

/// `name`, `name:port`, `[v6]` or `[v6]:port`, with at most a slash behind.
fn tcp(text: &str) -> Option<Host> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, after) = rest.split_once(']')?;
            name.parse::<std::net::Ipv6Addr>().ok()?;
            (name, after.strip_prefix(':').or(after.is_empty().then_some("")))
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, Some("")),
        },
    };
    let port = match port? {
        "" => DEFAULT_PORT,
        port => port.parse().ok().filter(|port| *port > 0)?,
    };
    let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    (!name.is_empty() && name.bytes().all(ok)).then(|| Host::Tcp { name: name.to_owned(), port })
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { name, port } if name.contains(':') => write!(f, "tcp://[{name}]:{port}"),
            Self::Tcp { name, port } => write!(f, "tcp://{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        for (text, printed) in [
            ("unix:///run/gantry/gantry.sock", "unix:///run/gantry/gantry.sock"),
            ("tcp://localhost:2375", "tcp://localhost:2375"),
            ("tcp://10.0.0.7", "tcp://10.0.0.7:2375"),
            ("http://host.example:80/", "tcp://host.example:80"),
            ("tcp://[::1]:99", "tcp://[::1]:99"),
            ("tcp://[::1]", "tcp://[::1]:2375"),
        ] {
            assert_eq!(text.parse::<Host>().unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn refusals_name_the_value() {
        for (text, reason) in [
            ("/run/x.sock", "unix:///path or tcp://host:port"),
            ("unix://run/x.sock", "must be absolute"),
            ("unix://", "must be absolute"),
            ("tcp://", "tcp://host:port"),
            ("tcp://:80", "tcp://host:port"),
            ("tcp://host:port", "tcp://host:port"),
            ("tcp://host:0", "tcp://host:port"),
            ("tcp://[::1", "tcp://host:port"),
            ("tcp://[::1]x", "tcp://host:port"),
            ("tcp://a b:1", "tcp://host:port"),
            ("https://x", "TLS is not there yet"),
            ("ssh://x", "not there yet"),
            ("ftp://x", "scheme is unknown"),
        ] {
            let error = text.parse::<Host>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("unable to parse host \"{text}\"")), "{error}");
            assert!(error.contains(reason), "{error}");
        }
    }
}
