//! TLS for clients over TCP: the daemon's certificate, whom it trusts, and who a client says that it is.

mod name;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::error::Error;

/// Bytes of base64 in one line of PEM.
const PEM_LINE_BYTES: usize = 64;

/// Where certificates are, all of them in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The CAs that sign clients' certificates; without them, clients need none.
    pub ca: Option<PathBuf>,
    /// The daemon's own certificate, and what leads from it to a CA.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What was read of the files.
#[derive(Debug)]
pub struct Certificates {
    files: Files,
    config: Arc<ServerConfig>,
}

impl Certificates {
    fn read(files: Files) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let invalid = |path: &Path, reason: String| gantry_tls::Error::file(path, reason);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid(&files.certificate, error.to_string()))?;
        let builder = match &files.ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = gantry_tls::authorities(path)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier =
                    verifier.build().map_err(|error| invalid(path, error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let own = gantry_tls::certificates(&files.certificate)?;
        let key = gantry_tls::private_key(&files.key)?;
        let config = builder
            .with_single_cert(own, key)
            .map_err(|error| invalid(&files.certificate, error.to_string()))?;
        Ok(Self { files, config: Arc::new(config) })
    }
}

/// Speaks TLS with clients, by certificates that can be replaced while it does.
#[derive(Debug)]
pub struct Acceptor(watch::Sender<Arc<Certificates>>);

impl Acceptor {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error::Certificate`] when one cannot be read, or key and certificate are strangers.
    pub fn new(files: Files) -> Result<Self, Error> {
        Ok(Self(watch::Sender::new(Arc::new(Certificates::read(files)?))))
    }

    /// Reads other files; nothing changes before [`Self::replace`]. Whether clients show who they are stays as it is.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn read(&self, files: Files) -> Result<Certificates, Error> {
        let ca = self.0.borrow().files.ca.clone().map(|known| files.ca.clone().unwrap_or(known));
        Certificates::read(Files { ca, ..files })
    }

    /// Reads the same files, which may say something new.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn read_again(&self) -> Result<Certificates, Error> {
        let files = self.0.borrow().files.clone();
        Certificates::read(files)
    }

    /// From the next client on these.
    pub fn replace(&self, certificates: Certificates) {
        self.0.send_replace(Arc::new(certificates));
    }

    /// Shakes hands with a client.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.0.borrow().config);
        TlsAcceptor::from(config).accept(stream).await
    }
}

/// Who a client is by its certificate, which has been verified where anybody asked for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The certificate's common name.
    pub(crate) user: String,
    /// Its chain, each as PEM in base64.
    pub(crate) certificates: Vec<String>,
}

impl Peer {
    /// The other end of a connection; none where it was not asked who it is.
    pub(crate) fn of(stream: &TlsStream<TcpStream>) -> Option<Self> {
        let chain = stream.get_ref().1.peer_certificates()?;
        Some(Self {
            user: name::common(chain.first()?).unwrap_or_default(),
            certificates: chain
                .iter()
                .map(|certificate| STANDARD.encode(pem(certificate)))
                .collect(),
        })
    }
}

fn pem(certificate: &[u8]) -> String {
    let body = STANDARD.encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in body.as_bytes().chunks(PEM_LINE_BYTES) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests;
