//! TLS to the daemon: whom the client trusts, and who it says that it is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where certificates are, all of them in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The CA that has signed the daemon's certificate; without one, any certificate is good enough.
    pub ca: Option<PathBuf>,
    /// The client's own certificate and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A file of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct InvalidTls {
    path: PathBuf,
    reason: String,
}

/// How TLS is spoken with a daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read, or key and certificate are strangers.
    pub fn read(files: &TlsFiles) -> Result<Self, InvalidTls> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let invalid = |path: &Path, reason: String| InvalidTls { path: path.to_owned(), reason };
        let none = PathBuf::new();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid(files.ca.as_ref().unwrap_or(&none), error.to_string()))?;
        let builder = match &files.ca {
            None => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(Arc::clone(&provider)))),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| invalid(path, error.to_string()))?;
                }
                builder.with_root_certificates(roots)
            }
        };
        let config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let read = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| invalid(key, format!("read its key: {error}")))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, read)
                    .map_err(|error| invalid(certificate, error.to_string()))?
            }
        };
        Ok(Self(Arc::new(config)))
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

/// All certificates in a file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, InvalidTls> {
    let invalid = |reason: String| InvalidTls { path: path.to_owned(), reason };
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| invalid(format!("read its certificates: {error}")))?;
    if found.is_empty() {
        return Err(invalid("there is no certificate in it".to_owned()));
    }
    Ok(found)
}

/// Takes anybody for the daemon, as `--tls` without `--tlsverify` asks for: what is said is still nobody else's to hear.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_certificates_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("empty.pem"), "").unwrap();
        Tls::read(&TlsFiles::default()).unwrap();
        for (files, says) in [
            (TlsFiles { ca: Some(at("none.pem")), identity: None }, "none.pem"),
            (TlsFiles { ca: Some(at("empty.pem")), identity: None }, "no certificate in it"),
            (TlsFiles { ca: None, identity: Some((at("empty.pem"), at("key.pem"))) }, "key.pem"),
        ] {
            let error = Tls::read(&files).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
