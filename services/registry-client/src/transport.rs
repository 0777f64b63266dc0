//! Connections: one pool for each registry, with its certificates and its proxy.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ureq::Agent;
use ureq::config::{ConfigBuilder, RedirectAuthHeaders};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::typestate::AgentScope;
use ureq::unversioned::transport::DefaultConnector;

use crate::download::Finder;
use crate::{Config, Error, Result, endpoint};

const CONNECT: Duration = Duration::from_secs(15);
/// For the first byte of an answer, and then for each further piece.
const SILENCE: Duration = Duration::from_mins(1);
/// What is kept open for the next request: as many as are used at once.
const IDLE_CONNECTIONS: usize = 16;
const MAX_REDIRECTS: u32 = 10;
const MAX_CERTIFICATE_BYTES: u64 = 1 << 20;

/// Which pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    authority: String,
    verify: bool,
    tls: bool,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) config: Config,
    agents: Mutex<HashMap<Key, Agent>>,
    system_roots: OnceLock<Arc<Vec<Certificate<'static>>>>,
}

impl Transport {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, agents: Mutex::default(), system_roots: OnceLock::new() }
    }

    /// The pool for a URL.
    pub(crate) fn agent(&self, url: &str, verify: bool) -> Result<Agent> {
        let key = Key {
            authority: endpoint::authority(url).to_owned(),
            verify,
            tls: !url.starts_with("http://"),
        };
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let agent = self.build(&key)?;
        agents.insert(key, agent.clone());
        Ok(agent)
    }

    /// For one file from any server: redirects are the caller's to follow, and no connection is kept. Addresses are those
    /// of `finder`; where a proxy stands between, they are the proxy's to decide.
    pub(crate) fn download_agent(&self, url: &str, verify: bool, finder: Finder) -> Result<Agent> {
        let authority = endpoint::authority(url).to_owned();
        let key = Key { authority, verify, tls: !url.starts_with("http://") };
        let is_direct = self.proxy(&key)?.is_none();
        let config = self.config(&key)?.max_redirects(0).max_redirects_will_error(false).build();
        if is_direct {
            return Ok(Agent::with_parts(config, DefaultConnector::default(), finder));
        }
        Ok(config.new_agent())
    }

    fn build(&self, key: &Key) -> Result<Agent> {
        let config = self.config(key)?.max_redirects(MAX_REDIRECTS).max_redirects_will_error(true);
        Ok(config.build().new_agent())
    }

    fn config(&self, key: &Key) -> Result<ConfigBuilder<AgentScope>> {
        let own = OwnCertificates::read(&self.config.certificate_folders, &key.authority)?;
        let roots = self.system_roots().iter().cloned().chain(own.roots);
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(roots))
            .client_cert(own.client)
            .disable_verification(!key.verify)
            .build();
        Ok(Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .user_agent(&self.config.user_agent)
            .timeout_connect(Some(CONNECT))
            .timeout_resolve(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .proxy(self.proxy(key)?)
            .tls_config(tls))
    }

    fn proxy(&self, key: &Key) -> Result<Option<ureq::Proxy>> {
        let proxies = &self.config.proxies;
        let address = if key.tls { &proxies.https } else { &proxies.http };
        if address.is_empty() || is_exempt(endpoint::host(&key.authority), &proxies.exempt) {
            return Ok(None);
        }
        let proxy = ureq::Proxy::new(address);
        proxy.map(Some).map_err(|_| Error::Proxy { address: address.clone() })
    }

    fn system_roots(&self) -> &[Certificate<'static>] {
        self.system_roots.get_or_init(|| {
            let loaded = rustls_native_certs::load_native_certs();
            for error in &loaded.errors {
                tracing::warn!(%error, "cannot read the system's certificates");
            }
            let der = loaded.certs.iter();
            Arc::new(der.map(|der| Certificate::from_der(der).to_owned()).collect())
        })
    }
}

/// By the rules of `NO_PROXY`: a domain stands for its subdomains too; loopback is never proxied.
fn is_exempt(host: &str, exempt: &str) -> bool {
    let loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    host == "localhost"
        || loopback
        || exempt.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
            let domain = entry.trim_start_matches("*.").trim_start_matches('.');
            let below = host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
            entry == "*" || host == domain || below
        })
}

/// What the `certs.d` layout has for one registry.
#[derive(Default)]
struct OwnCertificates {
    roots: Vec<Certificate<'static>>,
    client: Option<ClientCert>,
}

impl OwnCertificates {
    fn read(folders: &[PathBuf], authority: &str) -> Result<Self> {
        let mut own = Self::default();
        for folder in folders {
            let folder = folder.join(authority);
            // Most registries have none.
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths {
                own.add(&path)?;
            }
        }
        Ok(own)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            Some("crt") => self.roots.extend(certificates(path)?),
            Some("cert") => {
                let key = path.with_extension("key");
                self.client =
                    Some(ClientCert::new_with_certs(&certificates(path)?, private_key(&key)?));
            }
            _ => {}
        }
        Ok(())
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let mut found = Vec::new();
    for item in parse_pem(&read(path)?) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| unusable(path, error))? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(unusable(path, "no certificate is in it")) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>> {
    PrivateKey::from_pem(&read(path)?).map_err(|error| unusable(path, error))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let length = fs::metadata(path).map_err(|error| unusable(path, error))?.len();
    if length > MAX_CERTIFICATE_BYTES {
        return Err(unusable(path, format!("it is longer than {MAX_CERTIFICATE_BYTES} bytes")));
    }
    fs::read(path).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Certificate { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_proxied() {
        let exempt = "internal.example, .corp , 10.0.0.1";
        for (host, expected) in [
            ("internal.example", true),
            ("a.internal.example", true),
            ("notinternal.example", false),
            ("x.corp", true),
            ("10.0.0.1", true),
            ("localhost", true),
            ("127.0.0.1", true),
            ("r.example", false),
        ] {
            assert_eq!(is_exempt(host, exempt), expected, "{host}");
        }
        assert!(is_exempt("r.example", "*"));
    }

    #[test]
    fn a_broken_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let registry = folder.path().join("r.example:5000");
        fs::create_dir(&registry).unwrap();
        fs::write(registry.join("ca.crt"), "not one").unwrap();
        let config =
            Config { certificate_folders: vec![folder.path().to_owned()], ..Config::default() };
        let transport = Transport::new(config);
        let error = transport.agent("https://r.example:5000/v2/", true).unwrap_err();
        assert!(error.to_string().contains("ca.crt"), "{error}");
        assert!(transport.agent("https://r.example/v2/", true).is_ok());
    }
}
