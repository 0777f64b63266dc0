//! The client's side of a made registry.

use std::ops::Deref;
use std::sync::Arc;

use gantry_registry_client::{Access, Client, Config, Credentials, Repository};
use gantry_testkit::MadeRegistry;
pub(crate) use gantry_testkit::{Reply, Request};
use gantry_types::Digest;
use sha2::{Digest as _, Sha256};

/// A registry, and what to ask it with.
pub(crate) struct Server {
    pub(crate) address: String,
    registry: MadeRegistry,
}

impl Deref for Server {
    type Target = MadeRegistry;

    fn deref(&self) -> &MadeRegistry {
        &self.registry
    }
}

impl Server {
    /// Answers each request as `answer` says.
    pub(crate) fn new(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let registry = MadeRegistry::new(answer);
        Self { address: registry.address().to_owned(), registry }
    }

    pub(crate) fn repository(&self, access: Access) -> Repository {
        self.repository_as(access, None)
    }

    pub(crate) fn repository_as(
        &self,
        access: Access,
        credentials: Option<Credentials>,
    ) -> Repository {
        let reference = format!("{}/a/b:t", self.address).parse().unwrap();
        client().repository(&reference, credentials, access)
    }
}

pub(crate) fn client() -> Arc<Client> {
    Arc::new(Client::new(Config { user_agent: "gantry-test".to_owned(), ..Config::default() }))
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}
