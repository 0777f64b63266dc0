//! The user's registry credentials: `config.json` in Docker's form, which other tools share, and credential helpers. And what else
//! that file says: the proxies of containers.

mod config_file;
mod keeper;

use std::collections::BTreeSet;
use std::path::Path;

use gantry_api::system::AuthConfig;

use crate::error::Error;
use config_file::ConfigFile;
use keeper::Keeper;

/// Docker Hub's name in references, and the key under which everyone keeps its credentials.
const HUB: &str = "docker.io";
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The credentials in one configuration folder.
#[derive(Debug)]
pub(crate) struct Credentials {
    file: ConfigFile,
}

impl Credentials {
    /// Reads `config.json` in `folder`; no file is an empty one.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        Ok(Self { file: ConfigFile::read(folder.join("config.json"))? })
    }

    /// What is known for the registry of a reference's domain.
    pub(crate) fn get(&self, domain: &str) -> Result<Option<AuthConfig>, Error> {
        let key = key(domain);
        let known = match self.keeper(domain) {
            Some(keeper) => keeper.get(key)?,
            None => self.file.auth(key, domain),
        };
        Ok(known.map(|known| AuthConfig { serveraddress: key.to_owned(), ..known }))
    }

    /// The domains of the registries that something is known for.
    pub(crate) fn domains(&self) -> BTreeSet<&str> {
        // Docker Hub's key is of a host that no reference names.
        let hub = config_file::host(HUB_KEY);
        self.file.hosts().map(|host| if host == hub { HUB } else { host }).collect()
    }

    /// Keeps them; tells whether that was without encryption.
    pub(crate) fn keep(&mut self, domain: &str, credentials: &AuthConfig) -> Result<bool, Error> {
        let key = key(domain);
        if let Some(keeper) = self.keeper(domain) {
            keeper.store(key, credentials)?;
            // So that others see that there are some.
            self.file.set_auth(key, None);
            self.file.write()?;
            return Ok(false);
        }
        self.file.set_auth(key, Some(credentials));
        self.file.write()?;
        Ok(true)
    }

    /// Forgets them; whether there were any.
    pub(crate) fn forget(&mut self, domain: &str) -> Result<bool, Error> {
        let key = key(domain);
        let was_there = self.get(domain)?.is_some();
        if let Some(keeper) = self.keeper(domain).filter(|_| was_there) {
            keeper.erase(key)?;
        }
        if self.file.remove_auth(key, domain) {
            self.file.write()?;
        }
        Ok(was_there)
    }

    /// The proxies that containers and builds of the daemon at `host` get by their environment.
    pub(crate) fn proxies(&self, host: &str) -> Vec<(String, String)> {
        self.file.proxies(host)
    }

    fn keeper(&self, domain: &str) -> Option<Keeper> {
        self.file.keeper(key(domain), domain).map(Keeper::new)
    }
}

/// The key of a domain's credentials.
fn key(domain: &str) -> &str {
    if domain == HUB { HUB_KEY } else { domain }
}

#[cfg(test)]
mod tests;
