//! TLS towards remotes: whom to believe, and who we are.

use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use gantry_tls::{Identity, Trust};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::Error;

/// What the options say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TlsOptions {
    /// Instead of the system's authorities.
    pub(crate) ca_cert: Option<PathBuf>,
    /// Our certificate and its key.
    pub(crate) identity: Option<Identity>,
    pub(crate) skip_verify: bool,
}

/// Reads the files and makes a configuration of them.
pub(crate) fn client(
    driver: &'static str,
    options: &TlsOptions,
) -> Result<Arc<ClientConfig>, Error> {
    let trust = || {
        // Also where nobody is asked: a file that cannot be read is told of.
        let given = options.ca_cert.as_deref().map(gantry_tls::authorities).transpose()?;
        if options.skip_verify {
            return Ok(Trust::Anybody);
        }
        Ok(Trust::Authorities(given.unwrap_or_else(of_system)))
    };
    trust()
        .and_then(|trust| gantry_tls::client(trust, options.identity.as_ref()))
        .map_err(|source| Error::Tls { driver, source })
}

/// The authorities of this host. Those that cannot be read are not believed.
fn of_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Agrees on keys, so that what is wrong with the certificates is known before anything is sent.
pub(crate) fn handshake(
    config: &Arc<ClientConfig>,
    host: &str,
    mut stream: TcpStream,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut connection =
        ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// Whether the other side has hung up or said goodbye. What else it sent (tickets for later sessions, answers) is taken in on the
/// way: before it, an end cannot be seen.
pub(crate) fn is_closed(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> bool {
    let StreamOwned { conn, sock } = stream;
    if sock.set_nonblocking(true).is_err() {
        return true;
    }
    let is_closed = loop {
        match conn.read_tls(sock) {
            Ok(0) => break true,
            Ok(_) => match conn.process_new_packets() {
                Ok(state) if !state.peer_has_closed() => {}
                _ => break true,
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Nothing more is there, or so much that nobody has read yet that no more is taken.
            Err(error) => {
                break !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Other);
            }
        }
    };
    sock.set_nonblocking(false).is_err() || is_closed
}
