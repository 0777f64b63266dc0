//! TLS of the API: dockerd's keys, and the certificates that they name.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_docker_http::tls::{Acceptor, Files};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The keys.
#[derive(Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TlsKeys {
    /// Speak TLS on tcp:// hosts; false says that they may go without
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub tls: Option<bool>,
    /// Speak TLS, and only with clients whose certificate is signed by the CA; true unless --tls says otherwise
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub tlsverify: Option<bool>,
    /// The CA that signs clients' certificates [default: ~/.docker/ca.pem]
    #[arg(long, value_name = "FILE")]
    pub tlscacert: Option<PathBuf>,
    /// The daemon's certificate [default: ~/.docker/cert.pem]
    #[arg(long, value_name = "FILE")]
    pub tlscert: Option<PathBuf>,
    /// Its key [default: ~/.docker/key.pem]
    #[arg(long, value_name = "FILE")]
    pub tlskey: Option<PathBuf>,
}

/// How connections over TCP are kept safe.
#[derive(Debug, Clone)]
pub(crate) enum Tls {
    /// Nobody said anything.
    Unsaid,
    /// Somebody said that they shall not be.
    Off,
    On(Files),
}

/// Keys and environment become what the sockets are told.
pub(crate) fn resolve(keys: TlsKeys) -> Tls {
    // Who says anything of the one wants the other.
    let asked_for = env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty());
    let verify = keys.tlsverify.or(asked_for.then_some(true));
    match (keys.tls, verify) {
        (None, None) => return Tls::Unsaid,
        (Some(false), None) => return Tls::Off,
        // As in Docker: to say that clients are not verified is to say that they are spoken to by TLS.
        _ => {}
    }
    let folder = folder();
    let file = |given: Option<PathBuf>, name: &str| given.unwrap_or_else(|| folder.join(name));
    Tls::On(Files {
        ca: verify.unwrap_or(true).then(|| file(keys.tlscacert, "ca.pem")),
        certificate: file(keys.tlscert, "cert.pem"),
        key: file(keys.tlskey, "key.pem"),
    })
}

/// Where Docker's daemon looks, too.
fn folder() -> PathBuf {
    let named = ["DOCKER_CERT_PATH", "DOCKER_CONFIG"]
        .into_iter()
        .find_map(|name| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from));
    named.unwrap_or_else(|| {
        Path::new(&env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".docker")
    })
}

impl Tls {
    /// What a listener needs; the files are read now.
    pub(crate) fn acceptor(&self) -> Result<Option<Arc<Acceptor>>, Error> {
        match self {
            Self::Unsaid | Self::Off => Ok(None),
            Self::On(files) => Acceptor::new(files.clone())
                .map(|acceptor| Some(Arc::new(acceptor)))
                .map_err(|source| Error::Tls { source }),
        }
    }

    /// Whether clients show who they are.
    pub(crate) fn verifies(&self) -> bool {
        matches!(self, Self::On(Files { ca: Some(_), .. }))
    }

    /// Whether somebody said how it shall be.
    pub(crate) fn is_said(&self) -> bool {
        !matches!(self, Self::Unsaid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_tls() {
        let tls = |json: &str| resolve(serde_json::from_str(json).unwrap());
        assert!(matches!(tls("{}"), Tls::Unsaid));
        assert!(matches!(tls(r#"{"tls":false}"#), Tls::Off));
        assert!(tls(r#"{"tls":true}"#).verifies());
        assert!(tls(r#"{"tlsverify":true,"tls":false}"#).verifies());
        let without = tls(r#"{"tlsverify":false}"#);
        assert!(matches!(without, Tls::On(_)) && !without.verifies());
        let Tls::On(files) = tls(r#"{"tls":true,"tlscert":"/c.pem","tlscacert":"/a.pem"}"#) else {
            panic!("no TLS")
        };
        assert_eq!((files.certificate, files.ca), ("/c.pem".into(), Some("/a.pem".into())));
        assert!(files.key.ends_with("key.pem"));
    }
}
