//! TLS towards remotes: whom to believe, and who we are.

use crate::Error;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the options say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TlsOptions {
    /// Instead of the system's authorities.
    pub(crate) ca_cert: Option<PathBuf>,
    /// Our certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    pub(crate) skip_verify: bool,
}

/// Reads the files and makes a configuration of them.
pub(crate) fn client(
    driver: &'static str,
    options: &TlsOptions,
) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let failed = |source| Error::Tls { driver, source };
    let mut roots = RootCertStore::empty();
    match &options.ca_cert {
        Some(path) => {
            for certificate in certificates(driver, path)? {
                roots.add(certificate).map_err(failed)?;
            }
        }
        // Those that cannot be read are not believed.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots);
    let mut config = match &options.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let unread = |error| Error::File {
                driver,
                path: key.clone(),
                source: io::Error::new(io::ErrorKind::InvalidData, error),
            };
            let chain = certificates(driver, certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(unread)?;
            builder.with_client_auth_cert(chain, key).map_err(failed)?
        }
    };
    if options.skip_verify {
        config.dangerous().set_certificate_verifier(Arc::new(Anybody(provider)));
    }
    Ok(Arc::new(config))
}

fn certificates(driver: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    certificates.map_err(|error| Error::File {
        driver,
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    })
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

/// Believes every certificate, as its user asked for; signatures must be right all the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
