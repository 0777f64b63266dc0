//! TLS as everybody here speaks it: certificates and keys out of files in PEM, and what a client believes and shows. How a server is set up
//! is the HTTP edge's business, and so are connections.
//!
//! ```text
//! let config = gantry_tls::client(Trust::Authorities(gantry_tls::authorities(&ca)?), None)?;
//! ```

mod anybody;
mod error;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use anybody::Anybody;
pub use error::{Error, Result};

/// A file with a certificate and what leads from it to an authority, and one with its private key.
pub type Identity = (PathBuf, PathBuf);

/// Whom a client believes that it is who it says.
#[derive(Debug)]
pub enum Trust {
    /// Who has a certificate of one of these, for the name that was asked for.
    Authorities(RootCertStore),
    /// Everybody. What is said is nobody else's to hear all the same, but nobody knows whose it is.
    Anybody,
}

/// How a client speaks TLS 1.2 and 1.3: whom it believes, and who it says that it is.
///
/// # Errors
/// The identity cannot be read, or key and certificate are strangers.
pub fn client(trust: Trust, identity: Option<&Identity>) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::Protocol { source })?;
    let builder = match trust {
        Trust::Authorities(roots) => builder.with_root_certificates(roots),
        Trust::Anybody => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody::new(provider)))
        }
    };
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let (chain, key) = (certificates(certificate)?, private_key(key)?);
            let strangers = |error: rustls::Error| Error::file(certificate, error.to_string());
            builder.with_client_auth_cert(chain, key).map_err(strangers)?
        }
    };
    Ok(Arc::new(config))
}

/// The authorities in a file; at least one.
///
/// # Errors
/// It cannot be read, or one of them is none.
pub fn authorities(path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| Error::file(path, error.to_string()))?;
    }
    Ok(roots)
}

/// All certificates in a file; at least one.
///
/// # Errors
/// It cannot be read, or there is none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| Error::file(path, format!("read its certificates: {error}")))?;
    if found.is_empty() {
        return Err(Error::file(path, "there is no certificate in it"));
    }
    Ok(found)
}

/// The first private key in a file.
///
/// # Errors
/// It cannot be read, or there is none.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| Error::file(path, format!("read its key: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_certificates_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("empty.pem"), "").unwrap();
        client(Trust::Anybody, None).unwrap();
        let error = |result: Result<()>| result.unwrap_err().to_string();
        let says = error(authorities(&at("none.pem")).map(drop));
        assert!(says.contains("none.pem: read its certificates"), "{says}");
        let says = error(authorities(&at("empty.pem")).map(drop));
        assert!(says.contains("empty.pem: there is no certificate in it"), "{says}");
        let says = error(private_key(&at("empty.pem")).map(drop));
        assert!(says.contains("empty.pem: read its key"), "{says}");
        let identity = (at("empty.pem"), at("key.pem"));
        let says = error(client(Trust::Anybody, Some(&identity)).map(drop));
        assert!(says.contains("empty.pem"), "{says}");
    }
}
