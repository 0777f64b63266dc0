//! TLS to the daemon: whom the client trusts, and who it says that it is.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use gantry_tls::{Identity, Trust};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where certificates are, all of them in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The CA that has signed the daemon's certificate; without one, any certificate is good enough.
    pub ca: Option<PathBuf>,
    /// The client's own certificate and its private key.
    pub identity: Option<Identity>,
}

/// How TLS is spoken with a daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read, or key and certificate are strangers.
    pub fn read(files: &TlsFiles) -> gantry_tls::Result<Self> {
        let trust = match &files.ca {
            // `--tls` without `--tlsverify` asks for it.
            None => Trust::Anybody,
            Some(path) => Trust::Authorities(gantry_tls::authorities(path)?),
        };
        Ok(Self(gantry_tls::client(trust, files.identity.as_ref())?))
    }

    /// Shakes hands with a daemon called `name`, an address or a DNS name.
    pub(crate) async fn connect(
        &self,
        name: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }
}
