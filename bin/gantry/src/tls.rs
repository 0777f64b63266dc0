//! TLS to the daemon, as the global flags and the environment ask for it; Docker's names and defaults.

use std::path::PathBuf;

use gantry_client::{Tls, TlsFiles};

use crate::environment::Environment;
use crate::error::Error;

/// The global flags.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct TlsFlags {
    /// Use TLS; implied by --tlsverify
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) tls: Option<bool>,
    /// Use TLS and verify the remote
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) tlsverify: Option<bool>,
    /// Trust certs signed only by this CA
    #[arg(long, value_name = "FILE")]
    pub(crate) tlscacert: Option<PathBuf>,
    /// Path to TLS certificate file
    #[arg(long, value_name = "FILE")]
    pub(crate) tlscert: Option<PathBuf>,
    /// Path to TLS key file
    #[arg(long, value_name = "FILE")]
    pub(crate) tlskey: Option<PathBuf>,
}

impl TlsFlags {
    /// The files that TLS needs; none without TLS.
    pub(crate) fn files(&self, environment: &Environment) -> Option<TlsFiles> {
        let verify = self.tlsverify.unwrap_or(environment.tls_verify);
        if !verify && !self.tls.unwrap_or(environment.tls) {
            return None;
        }
        let folder = environment.certificates.clone().unwrap_or_default();
        let own = |given: &Option<PathBuf>, name: &str| {
            // Those that nobody named may be missing.
            given.clone().or_else(|| Some(folder.join(name)).filter(|path| path.is_file()))
        };
        let identity = own(&self.tlscert, "cert.pem").zip(own(&self.tlskey, "key.pem"));
        let ca = || self.tlscacert.clone().unwrap_or_else(|| folder.join("ca.pem"));
        Some(TlsFiles { ca: verify.then(ca), identity })
    }

    /// How TLS is spoken, if it is.
    pub(crate) fn read(&self, environment: &Environment) -> Result<Option<Tls>, Error> {
        let Some(files) = self.files(environment) else { return Ok(None) };
        let read = Tls::read(&files);
        read.map(Some)
            .map_err(|error| Error::refused(format!("invalid TLS configuration: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_owned();
        std::fs::write(folder.join("cert.pem"), "").unwrap();
        let environment = |tls_verify, tls| Environment {
            tls_verify,
            tls,
            certificates: Some(folder.clone()),
            ..Environment::default()
        };
        let none = TlsFlags::default();
        assert_eq!(none.files(&environment(false, false)), None);
        let verified = TlsFiles { ca: Some(folder.join("ca.pem")), identity: None };
        assert_eq!(none.files(&environment(true, false)), Some(verified.clone()));
        let unverified = TlsFiles { ca: None, identity: None };
        assert_eq!(none.files(&environment(false, true)), Some(unverified.clone()));
        let off = TlsFlags { tlsverify: Some(false), ..TlsFlags::default() };
        assert_eq!(off.files(&environment(true, false)), None);
        let key =
            TlsFlags { tls: Some(true), tlskey: Some("/k.pem".into()), ..TlsFlags::default() };
        let identity = Some((folder.join("cert.pem"), "/k.pem".into()));
        assert_eq!(
            key.files(&environment(false, false)),
            Some(TlsFiles { identity, ..unverified })
        );
        let ca = TlsFlags {
            tlsverify: Some(true),
            tlscacert: Some("/ca.pem".into()),
            ..TlsFlags::default()
        };
        let named = TlsFiles { ca: Some("/ca.pem".into()), ..verified };
        assert_eq!(ca.files(&environment(false, false)), Some(named));
    }
}
