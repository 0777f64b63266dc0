//! The daemon's sockets: opened, taken over from systemd, given to their group, and removed again at the end.

mod activation;
mod group;
mod host;

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_docker_http::Listener;
use gantry_docker_http::tls::Acceptor;
use gantry_sys::unix_socket;
use tokio::net::{TcpListener, UnixListener};

use crate::error::Error;
use crate::fresh_dirs::FreshDirs;
use crate::settings::Settings;

pub(crate) use host::{Host, HostDefaults};

/// Root and the socket's group may use the API, which is as good as being root.
const SOCKET_MODE: u32 = 0o660;
/// Who may connect is said by the socket itself.
const SOCKET_DIR_MODE: u32 = 0o755;

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

/// Opens every host, or none; `dirs` makes what the sockets need. Over TCP, `acceptor` says how to speak TLS.
pub(crate) async fn open(
    settings: &Settings,
    acceptor: Option<&Arc<Acceptor>>,
    dirs: &mut FreshDirs,
) -> Result<Vec<Bound>, Error> {
    let mut passed = activation::Passed::take()?;
    let mut bound = Vec::with_capacity(settings.hosts.len());
    for host in &settings.hosts {
        let failed = |source| Error::Listen { host: host.to_string(), source };
        match host {
            Host::Unix(path) => bound.push(unix(host, path, (settings, &mut *dirs))?),
            Host::Tcp(address) => {
                check_protection(host, *address, settings)?;
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                // Of port 0, nobody else says which one it became.
                let address = listener.local_addr().map_err(failed)?;
                tracing::info!(%address, "listening");
                bound.push(Bound { listener: over_tcp(listener, acceptor), socket: None });
            }
            Host::Passed(which) => {
                for socket in passed.choose(which).map_err(failed)? {
                    bound.push(taken_over(host, socket, (settings, acceptor))?);
                }
            }
        }
    }
    passed.tell_of_the_rest();
    Ok(bound)
}

fn over_tcp(listener: TcpListener, acceptor: Option<&Arc<Acceptor>>) -> Listener {
    match acceptor {
        Some(acceptor) => Listener::Tls(listener, Arc::clone(acceptor)),
        None => Listener::Tcp(listener),
    }
}

/// Everybody who reaches a port without knowing anything is root here: that has to be said by somebody.
fn check_protection(host: &Host, address: SocketAddr, settings: &Settings) -> Result<(), Error> {
    if settings.tls.verifies() {
        return Ok(());
    }
    if !address.ip().is_loopback() && !settings.tls.is_said() {
        return Err(Error::Unprotected { host: host.to_string() });
    }
    tracing::warn!(
        %host,
        "Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who has \
         access to your network."
    );
    tracing::warn!(
        %host,
        "Binding to an IP address, even on localhost, can also give access to scripts run in a browser. Be safe out there!"
    );
    Ok(())
}

fn taken_over(
    host: &Host,
    socket: activation::Socket,
    (settings, acceptor): (&Settings, Option<&Arc<Acceptor>>),
) -> Result<Bound, Error> {
    let failed = |source| Error::Listen { host: host.to_string(), source };
    let listener = match socket {
        // Who may connect is said by the unit.
        activation::Socket::Unix(listener) => {
            Listener::Unix(UnixListener::from_std(listener).map_err(failed)?)
        }
        activation::Socket::Tcp(listener) => {
            check_protection(host, listener.local_addr().map_err(failed)?, settings)?;
            over_tcp(TcpListener::from_std(listener).map_err(failed)?, acceptor)
        }
    };
    Ok(Bound { listener, socket: None })
}

fn unix(
    host: &Host,
    path: &Path,
    (settings, dirs): (&Settings, &mut FreshDirs),
) -> Result<Bound, Error> {
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
    let group = group::of_sockets(settings.socket_group.as_deref(), path)?;
    let listener = unix_socket::bind_listener(path).map_err(failed)?;
    let socket = Some(SocketFile(path.to_owned()));
    // It is root's alone until it has its group.
    if let Some(group) = group {
        chown(path, None, Some(group)).map_err(failed)?;
    }
    std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = UnixListener::from_std(listener).map_err(failed)?;
    Ok(Bound { listener: Listener::Unix(listener), socket })
}
