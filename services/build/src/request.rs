//! What is to be built, and from what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use gantry_dockerfile::{Dockerfile, IgnoreFile};
use gantry_oci::image::Platform;
use gantry_types::{ImageReference, Timestamp};

use crate::hashes::Hashes;
use crate::workshop::RunNetwork;

/// All that a build begins with.
#[derive(Debug)]
pub struct Plan {
    /// What is done.
    pub dockerfile: Dockerfile,
    /// Files that steps may bring.
    pub context: Context,
    /// What names mean that the user gives beside those of stages and images; they come first.
    pub contexts: BTreeMap<String, NamedContext>,
    /// What the user says beside the Dockerfile.
    pub request: Request,
}

impl Plan {
    /// What the user gives a name for, as Docker compares them: `base` and `docker.io/library/base:latest` are one.
    pub(crate) fn context_named(&self, word: &str) -> Option<&NamedContext> {
        self.contexts.get(word).or_else(|| {
            let meant: ImageReference = word.parse().ok()?;
            let is_same =
                |name: &&String| name.parse::<ImageReference>().is_ok_and(|named| named == meant);
            self.contexts.keys().find(is_same).and_then(|name| self.contexts.get(name))
        })
    }
}

/// The build's context: a directory.
#[derive(Debug)]
pub struct Context {
    /// Open; nobody writes to it meanwhile, unless there are `hashes`.
    pub root: OwnedFd,
    /// What of it does not count.
    pub ignore: IgnoreFile,
    /// What is known of its files, where it is the user's own directory: somebody may be changing that.
    pub hashes: Option<Arc<Hashes>>,
}

/// What a name means by the user's word.
#[derive(Debug)]
pub enum NamedContext {
    /// Files.
    Files(Context),
    /// An image by its name.
    Image(String),
}

/// What a Dockerfile, or a base image's trigger, cannot take for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Grants {
    /// `RUN --network=host`.
    pub host_network: bool,
    /// `RUN --security=insecure`.
    pub insecure: bool,
    /// `RUN --device`.
    pub devices: bool,
}

/// What the user says beside the Dockerfile.
#[derive(Debug, Clone)]
pub struct Request {
    /// The stage that is wanted; the last one by default.
    pub target: Option<String>,
    /// Values of `ARG`s.
    pub arguments: BTreeMap<String, String>,
    /// Labels beside those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// What is built for.
    pub platform: Platform,
    /// What is built on.
    pub host: Platform,
    /// Nothing that is remembered counts.
    pub ignores_memory: bool,
    /// Stages for which nothing that is remembered counts.
    pub forgets_stages: BTreeSet<String>,
    /// The network of steps that ask for none.
    pub network: RunNetwork,
    /// What else is around commands that their results depend on: names of hosts, limits. Only compared.
    pub surroundings: String,
    /// What steps may have beside what all have.
    pub grants: Grants,
    /// Secrets by their ids.
    pub secrets: BTreeMap<String, Secret>,
    /// What time it is.
    pub now: Timestamp,
    /// The moment at which all that is made was made, as it says itself (`SOURCE_DATE_EPOCH`): nothing is later.
    pub epoch: Option<Timestamp>,
    /// Files of contexts get the permissions that their owners' ones lead to, whatever the mask was when they were written.
    pub ignores_masks: bool,
}

impl Request {
    /// The time that new files and documents bear.
    pub fn moment(&self) -> Timestamp {
        self.epoch.unwrap_or(self.now)
    }
}

/// What only commands that ask for it may see; it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let secret = Secret::from(b"hidden".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.bytes(), b"hidden");
    }
}
