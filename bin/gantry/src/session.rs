//! What every command starts from: which daemon to talk to, and the way to it.

use std::collections::BTreeMap;
use std::path::Path;

use gantry_api::system::AuthConfig;
use gantry_client::{Client, Host, Tls};

use crate::autostart;
use crate::credentials::Credentials;
use crate::environment::Environment;
use crate::error::Error;
use crate::output;
use crate::tls::TlsFlags;

/// Where the daemon listens when nobody says otherwise.
const DEFAULT_SOCKET: &str = "/run/gantry/gantry.sock";

/// The settings of one call of the program.
#[derive(Debug)]
pub(crate) struct Session {
    host: Host,
    /// How TLS is spoken with it, over TCP.
    tls: Option<Tls>,
    /// Nobody named a host, so it is ours to start a daemon there.
    is_default: bool,
    environment: Environment,
}

impl Session {
    /// Chooses the daemon: `named` is `-H`, which wins over the environment.
    pub(crate) fn new(
        named: Option<&str>,
        tls: &TlsFlags,
        environment: Environment,
    ) -> Result<Self, Error> {
        let text = named.filter(|text| !text.is_empty()).or(environment.host.as_deref());
        let (host, is_default) = match text {
            Some(text) => (Host::parse(text, tls.files(&environment).is_some())?, false),
            None => (Host::Unix(DEFAULT_SOCKET.into()), true),
        };
        // A socket of this machine is nobody else's to hear.
        let tls = match host {
            Host::Tcp { .. } => tls.read(&environment)?,
            Host::Unix(_) | Host::Ssh(_) => None,
        };
        Ok(Self { host, tls, is_default, environment })
    }

    /// What the user shows to the registry of a reference's domain.
    pub(crate) fn credentials(&self, domain: &str) -> Result<Option<AuthConfig>, Error> {
        if self.environment.config_dir.is_none() {
            return Ok(None);
        }
        self.all_credentials()?.get(domain)
    }

    /// What the user shows to registries, by the domains of all that are known. What a helper does not give is told, and is no reason
    /// to do nothing: nobody has asked for it yet.
    pub(crate) fn known_credentials(&self) -> Result<BTreeMap<String, AuthConfig>, Error> {
        let mut known = BTreeMap::new();
        if self.environment.config_dir.is_none() {
            return Ok(known);
        }
        let all = self.all_credentials()?;
        for domain in all.domains() {
            match all.get(domain) {
                Ok(found) => known.extend(found.map(|found| (domain.to_owned(), found))),
                Err(error) => {
                    let reason = error.report();
                    output::remark(&format!("WARNING: no credentials for {domain}: {reason}"));
                }
            }
        }
        Ok(known)
    }

    /// All that the user shows to registries.
    pub(crate) fn all_credentials(&self) -> Result<Credentials, Error> {
        Credentials::open(self.config_dir()?)
    }

    /// The user's folder of docker's configuration.
    pub(crate) fn config_dir(&self) -> Result<&Path, Error> {
        let folder = self.environment.config_dir.as_deref();
        folder.ok_or_else(|| {
            Error::refused("there is no folder of configuration: set HOME or DOCKER_CONFIG")
        })
    }

    /// The proxies that the user's containers and builds get. A file that cannot be read is told, and is no reason to do nothing.
    pub(crate) fn proxies(&self) -> Vec<(String, String)> {
        if self.environment.config_dir.is_none() {
            return Vec::new();
        }
        match self.all_credentials() {
            Ok(file) => file.proxies(&self.host.to_string()),
            Err(error) => {
                output::remark(&format!("WARNING: no proxies are set: {}", error.report()));
                Vec::new()
            }
        }
    }

    /// Connects to the daemon, starting one if nobody named another and none is there.
    pub(crate) async fn connect(&self) -> Result<Client, Error> {
        let client = self.reach().await?;
        match &self.environment.api_version {
            None => Ok(client),
            Some(text) => {
                let invalid = |error: gantry_client::InvalidVersion| {
                    Error::refused(format!("DOCKER_API_VERSION: {error}"))
                };
                Ok(client.with_version(text.parse().map_err(invalid)?))
            }
        }
    }

    async fn reach(&self) -> Result<Client, Error> {
        let connected = match &self.host {
            // On the way to another machine whoever refuses us should do so first.
            Host::Tcp { .. } | Host::Ssh(_) => {
                Client::connect_over(self.host.clone(), self.tls.clone()).await
            }
            Host::Unix(_) => Client::reach(self.host.clone()).await,
        };
        match connected {
            Err(error)
                if error.nobody_listens() && self.is_default && self.environment.autostart =>
            {
                autostart::start(&self.host, &self.environment).await
            }
            result => Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_environment_and_both_over_the_default() {
        let check = |flag: Option<&str>, variable: Option<&str>, expected: (&str, bool)| {
            let host = variable.map(str::to_owned);
            let environment = Environment { host, ..Environment::default() };
            let session = Session::new(flag, &TlsFlags::default(), environment).unwrap();
            assert_eq!((session.host.to_string().as_str(), session.is_default), expected);
        };
        check(None, None, ("unix:///run/gantry/gantry.sock", true));
        check(None, Some("unix:///a"), ("unix:///a", false));
        check(Some("tcp://b:1"), Some("unix:///a"), ("tcp://b:1", false));
        check(
            Some("unix:///run/gantry/gantry.sock"),
            None,
            ("unix:///run/gantry/gantry.sock", false),
        );
        assert!(
            Session::new(Some("nonsense"), &TlsFlags::default(), Environment::default()).is_err()
        );
    }
}
