//! What is to be built, and from what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::fd::OwnedFd;

use gantry_dockerfile::{Dockerfile, IgnoreFile};
use gantry_oci::image::Platform;
use gantry_types::Timestamp;

use crate::workshop::RunNetwork;

/// All that a build begins with.
#[derive(Debug)]
pub struct Plan {
    /// What is done.
    pub dockerfile: Dockerfile,
    /// Files that steps may bring.
    pub context: Context,
    /// What the user says beside the Dockerfile.
    pub request: Request,
}

/// The build's context: a directory.
#[derive(Debug)]
pub struct Context {
    /// Open; nobody writes to it meanwhile.
    pub root: OwnedFd,
    /// What of it does not count.
    pub ignore: IgnoreFile,
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
    /// Secrets by their ids.
    pub secrets: BTreeMap<String, Secret>,
    /// The time that new files and documents bear.
    pub now: Timestamp,
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
