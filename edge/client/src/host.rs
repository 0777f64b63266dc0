//! Where a daemon listens: `unix:///path`, `tcp://host:port` or `ssh://user@host`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::ssh::SshHost;

/// The ports of a daemon whose address names none, without TLS and with it.
const DEFAULT_PORT: u16 = 2375;
const DEFAULT_TLS_PORT: u16 = 2376;

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
    /// A TCP port; `name` is a DNS name or an address, IPv6 without its brackets.
    Tcp { name: String, port: u16 },
    /// A daemon on another machine.
    Ssh(SshHost),
}

impl FromStr for Host {
    type Err = InvalidHost;

    /// [`Host::parse`] without TLS.
    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        Self::parse(text, false)
    }
}

impl Host {
    /// Takes `unix:///path`, `tcp://name[:port]`, `http://` or `https://` as other words for the latter, and
    /// `ssh://[user@]name[:port][/path]`. `tls` decides which port is meant by none.
    ///
    /// # Errors
    /// The text is none of these.
    pub fn parse(text: &str, tls: bool) -> Result<Self, InvalidHost> {
        let invalid = |reason| InvalidHost { value: text.chars().take(200).collect(), reason };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| invalid("it takes the form unix:///path or tcp://host:port"))?;
        let port = if tls { DEFAULT_TLS_PORT } else { DEFAULT_PORT };
        match scheme {
            "unix" if rest.starts_with('/') && !rest.contains('\0') => Ok(Self::Unix(rest.into())),
            "unix" => Err(invalid("the path of the socket must be absolute, as in unix:///path")),
            "https" if !tls => Err(invalid("https:// needs --tls or --tlsverify")),
            "tcp" | "http" | "https" => {
                let address = rest.strip_suffix('/').unwrap_or(rest);
                let (name, given) = name_and_port(address)
                    .ok_or_else(|| invalid("it takes the form tcp://host:port"))?;
                Ok(Self::Tcp { name, port: given.unwrap_or(port) })
            }
            "ssh" => ssh(rest).map_err(invalid),
            "fd" | "npipe" => Err(invalid("only unix://, tcp:// and ssh:// can be connected to")),
            _ => Err(invalid("the scheme is unknown, use unix://, tcp:// or ssh://")),
        }
    }
}

/// `name`, `name:port`, `[v6]` or `[v6]:port`.
fn name_and_port(text: &str) -> Option<(String, Option<u16>)> {
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
        "" => None,
        port => Some(port.parse().ok().filter(|port| *port > 0)?),
    };
    let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    // `ssh` would take a name that begins with a hyphen for one of its own words.
    let valid = !name.is_empty() && !name.starts_with('-') && name.bytes().all(ok);
    valid.then(|| (name.to_owned(), port))
}

/// `[user@]name[:port][/path]`.
fn ssh(rest: &str) -> Result<Host, &'static str> {
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (user, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains(':') {
        return Err("plain-text password is not supported");
    }
    if user.starts_with('-') || user.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("ssh:// takes the form ssh://[user@]host[:port][/path]");
    }
    let path = if path == "/" { "" } else { path };
    // The shell there reads it.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_' | b'+');
    if !path.bytes().all(plain) {
        return Err("the path of ssh:// may hold letters, digits and ./-_+ only");
    }
    let (name, port) =
        name_and_port(address).ok_or("ssh:// takes the form ssh://[user@]host[:port][/path]")?;
    Ok(Host::Ssh(SshHost { user: user.to_owned(), name, port, path: path.to_owned() }))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { name, port } if name.contains(':') => write!(f, "tcp://[{name}]:{port}"),
            Self::Tcp { name, port } => write!(f, "tcp://{name}:{port}"),
            Self::Ssh(host) => {
                f.write_str("ssh://")?;
                if !host.user.is_empty() {
                    write!(f, "{}@", host.user)?;
                }
                if host.name.contains(':') {
                    write!(f, "[{}]", host.name)?;
                } else {
                    f.write_str(&host.name)?;
                }
                if let Some(port) = host.port {
                    write!(f, ":{port}")?;
                }
                f.write_str(&host.path)
            }
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
            ("ssh://far.example", "ssh://far.example"),
            ("ssh://me@far.example:2222/run/g.sock", "ssh://me@far.example:2222/run/g.sock"),
            ("ssh://[::1]:22/", "ssh://[::1]:22"),
        ] {
            assert_eq!(text.parse::<Host>().unwrap().to_string(), printed, "{text}");
        }
        for (text, printed) in [
            ("tcp://far.example", "tcp://far.example:2376"),
            ("https://far.example", "tcp://far.example:2376"),
            ("tcp://far.example:1", "tcp://far.example:1"),
        ] {
            assert_eq!(Host::parse(text, true).unwrap().to_string(), printed, "{text}");
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
            ("https://x", "--tlsverify"),
            ("ssh://me:secret@x", "password"),
            ("ssh://-oProxyCommand=x", "ssh://[user@]host"),
            ("ssh://-l@x", "ssh://[user@]host"),
            ("ssh://x/$(reboot)", "letters, digits"),
            ("ssh://", "ssh://[user@]host"),
            ("ftp://x", "scheme is unknown"),
        ] {
            let error = text.parse::<Host>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("unable to parse host \"{text}\"")), "{error}");
            assert!(error.contains(reason), "{error}");
        }
    }
}
