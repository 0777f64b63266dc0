//! Sockets that systemd has opened: `sd_listen_fds(3)`.

use std::env;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};

use crate::error::Error;

/// The number of the first one.
const FIRST: usize = 3;
/// More than anybody passes.
const MOST: u32 = 64;

/// One of them.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// Those that nobody has taken, with their names; their numbers follow from their places.
#[derive(Debug, Default)]
pub(super) struct Passed(Vec<Option<(String, OwnedFd)>>);

impl Passed {
    /// Takes what was passed to this process, if anything was.
    pub(super) fn take() -> Result<Self, Error> {
        let variable = |name: &str| env::var_os(name)?.into_string().ok();
        let own = std::process::id().to_string();
        if variable("LISTEN_PID").as_deref() != Some(own.as_str()) {
            return Ok(Self::default());
        }
        let count = variable("LISTEN_FDS").and_then(|text| text.parse().ok()).unwrap_or(0);
        let sockets = gantry_sys::fds::take_inherited(count.min(MOST))
            .map_err(|source| Error::Activation { source })?;
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.split(':').map(str::to_owned).chain(std::iter::repeat(String::new()));
        Ok(Self(names.zip(sockets).map(Some).collect()))
    }

    /// Those that a host means: all that are left, one by its number, or those with a name.
    pub(super) fn choose(&mut self, which: &str) -> io::Result<Vec<Socket>> {
        let is_meant = |place: usize, name: &str| match which.parse::<usize>() {
            _ if matches!(which, "" | "*") => true,
            Ok(number) => number == place + FIRST,
            Err(_) => name == which,
        };
        let mut chosen = Vec::new();
        for (place, slot) in self.0.iter_mut().enumerate() {
            if let Some((_, socket)) = slot.take_if(|(name, _)| is_meant(place, name)) {
                chosen.push(listening(socket)?);
            }
        }
        if chosen.is_empty() {
            let text = "no socket like this was passed by systemd: start the daemon by its socket unit, or name another \
                        host with -H";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        Ok(chosen)
    }

    /// Sockets that no host asks for would have clients wait for ever: they are closed.
    pub(super) fn tell_of_the_rest(self) {
        for (name, _) in self.0.into_iter().flatten() {
            tracing::warn!(name, "a socket that systemd has passed is closed: no host asks for it");
        }
    }
}

fn listening(socket: OwnedFd) -> io::Result<Socket> {
    let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text);
    if socket_type(&socket)? != SocketType::STREAM || !socket_acceptconn(&socket)? {
        return Err(wrong("what systemd has passed is no socket that listens for connections"));
    }
    match socket_domain(&socket)? {
        AddressFamily::UNIX => {
            let listener = UnixListener::from(socket);
            listener.set_nonblocking(true)?;
            Ok(Socket::Unix(listener))
        }
        AddressFamily::INET | AddressFamily::INET6 => {
            let listener = TcpListener::from(socket);
            listener.set_nonblocking(true)?;
            Ok(Socket::Tcp(listener))
        }
        _ => Err(wrong("what systemd has passed is neither a unix nor a TCP socket")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_chosen_by_number_and_name() {
        let dir = tempfile::TempDir::new().unwrap();
        let listener = |name: &str| {
            let listener = UnixListener::bind(dir.path().join(name)).unwrap();
            Some((name.to_owned(), OwnedFd::from(listener)))
        };
        let mut passed = Passed(vec![listener("one"), listener("two"), listener("three")]);
        assert_eq!(passed.choose("4").unwrap().len(), 1);
        assert_eq!(passed.choose("three").unwrap().len(), 1);
        assert!(passed.choose("4").is_err(), "somebody has it");
        assert_eq!(passed.choose("").unwrap().len(), 1);
        assert!(passed.choose("").is_err());
        let (one, _other) = UnixListener::bind(dir.path().join("x"))
            .and_then(|_| std::os::unix::net::UnixStream::pair())
            .unwrap();
        let mut wrong = Passed(vec![Some((String::new(), OwnedFd::from(one)))]);
        assert!(wrong.choose("*").unwrap_err().to_string().contains("listens"));
    }
}
