//! Addresses of remotes: `tcp://host:port` and the like.

use std::fmt;
use std::path::PathBuf;

/// How a remote is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Udp,
    Tcp,
    Tls,
    Unix,
    UnixDatagram,
}

/// Where a remote is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Host { scheme: Scheme, host: String, port: u16 },
    Path { scheme: Scheme, path: PathBuf },
}

impl Address {
    /// Reads a text of one of `schemes`; a port that is left out is `default_port`. `None`: it is none.
    pub(crate) fn parse(text: &str, schemes: &[(&str, Scheme)], default_port: u16) -> Option<Self> {
        let (name, rest) = text.split_once("://")?;
        let scheme = schemes.iter().find(|(known, _)| *known == name)?.1;
        if matches!(scheme, Scheme::Unix | Scheme::UnixDatagram) {
            let is_path = rest.starts_with('/') && !rest.contains('\0');
            return is_path.then(|| Self::Path { scheme, path: rest.into() });
        }
        // "[::1]:514", "::1" has no port of its own, "host:514", "host".
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
            None => match rest.split_once(':') {
                Some((_, more)) if more.contains(':') => (rest, None),
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = port.map_or(Some(default_port), |port| port.parse().ok())?;
        let is_host = !host.is_empty() && !host.contains(['[', ']', '/', '@', '?', '#', '\0', ' ']);
        (is_host && port != 0).then(|| Self::Host { scheme, host: host.to_owned(), port })
    }

    pub(crate) fn scheme(&self) -> Scheme {
        match self {
            Self::Host { scheme, .. } | Self::Path { scheme, .. } => *scheme,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Path { path, .. } => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, Scheme); 3] =
        [("udp", Scheme::Udp), ("tcp", Scheme::Tcp), ("unix", Scheme::Unix)];

    #[test]
    fn addresses_are_read() {
        let host = |scheme, host: &str, port| Address::Host { scheme, host: host.to_owned(), port };
        for (text, expected) in [
            ("udp://h", host(Scheme::Udp, "h", 514)),
            ("tcp://h:99", host(Scheme::Tcp, "h", 99)),
            ("tcp://[::1]:99", host(Scheme::Tcp, "::1", 99)),
            ("tcp://[::1]", host(Scheme::Tcp, "::1", 514)),
            ("tcp://fe80::1", host(Scheme::Tcp, "fe80::1", 514)),
            ("unix:///a/b", Address::Path { scheme: Scheme::Unix, path: "/a/b".into() }),
        ] {
            assert_eq!(Address::parse(text, &ALL, 514), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "h",
            "h:1",
            "http://h",
            "udp://",
            "udp://:1",
            "tcp://h:0",
            "tcp://h:x",
            "tcp://h:99999",
            "tcp://h/path",
            "tcp://[::1",
            "tcp://[::1]x",
            "unix://a",
            "unix://",
            "tcp://u@h",
        ] {
            assert_eq!(Address::parse(text, &ALL, 514), None, "{text}");
        }
    }
}
