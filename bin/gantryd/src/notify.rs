//! What a service manager is told of the daemon's life: `sd_notify(3)`.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use gantry_engine::Engine;
use rustix::time::{ClockId, clock_gettime};

use crate::error::Error;

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Notify(Option<UnixDatagram>);

impl Notify {
    /// Looks for `NOTIFY_SOCKET`.
    pub(crate) fn open() -> Result<Self, Error> {
        let failed = |source| Error::Notify { what: "the beginning", source };
        match env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) {
            None => Ok(Self(None)),
            Some(address) => connect(&address).map(|socket| Self(Some(socket))).map_err(failed),
        }
    }

    /// Clients are answered from now on; or again, with other settings.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The settings are read again; [`Self::ready`] follows.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={usec}\nSTATUS=reading the settings again"
        ));
    }

    /// The daemon ends.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=ending; running containers go on");
    }

    /// Says that the daemon is well as long as the engine answers, as often as the service manager wants to hear it.
    pub(crate) async fn keep_well(&self, engine: &Engine) {
        let Some(interval) = watchdog().filter(|_| self.0.is_some()) else {
            return std::future::pending().await;
        };
        let mut ticks = tokio::time::interval(interval / 2);
        loop {
            ticks.tick().await;
            if tokio::time::timeout(interval / 2, engine.responds()).await.is_ok() {
                self.tell("WATCHDOG=1");
            } else {
                tracing::error!("the engine does not answer");
            }
        }
    }

    fn tell(&self, state: &str) {
        if let Some(Err(error)) = self.0.as_ref().map(|socket| socket.send(state.as_bytes())) {
            let first = state.lines().next().unwrap_or_default();
            tracing::warn!(%error, "cannot tell {first} to the service manager");
        }
    }
}

/// A path, or with an `@` a name that no file has.
fn connect(address: &OsString) -> io::Result<UnixDatagram> {
    let socket = match address.as_bytes() {
        [b'@', name @ ..] => {
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
            socket
        }
        [b'/', ..] => gantry_sys::unix_socket::connect_datagram(Path::new(address))?,
        _ => {
            let text = "it is neither a path nor a name after @";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
    };
    // The daemon waits for nobody.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How long the service manager may hear nothing (`sd_watchdog_enabled(3)`).
fn watchdog() -> Option<Duration> {
    let variable = |name: &str| env::var_os(name)?.into_string().ok();
    let own = std::process::id().to_string();
    if variable("WATCHDOG_PID").is_some_and(|pid| pid != own) {
        return None;
    }
    let usec: u64 = variable("WATCHDOG_USEC")?.parse().ok()?;
    (usec > 0).then(|| Duration::from_micros(usec))
}
