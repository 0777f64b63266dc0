//! Searching for repositories, as Docker Hub and registries of its first kind offer it (`/v1/search`). Registries of the
//! distribution specification have no search.

use serde::Deserialize;

use crate::answer::Answer;
use crate::endpoint::{Endpoint, endpoints};
use crate::{Client, Credentials, Error, Result};

/// Docker Hub's searches are answered elsewhere than its pulls.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_URL: &str = "https://index.docker.io";

/// One repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Found {
    /// Its name, without the registry.
    pub name: String,
    /// What it says of itself.
    pub description: Option<String>,
    /// How many people like it.
    pub star_count: i64,
    /// Whether the registry's owner looks after it.
    pub is_official: bool,
    /// Whether it is built by the registry.
    pub is_automated: bool,
}

#[derive(Deserialize)]
struct Page {
    results: Option<Vec<Found>>,
}

impl Client {
    /// Searches a registry (`docker.io`, `host[:port]`) for `term`: its `limit` best answers, or as many as it likes.
    ///
    /// # Errors
    /// [`Error::NoSearch`] when the registry offers none.
    pub fn search(
        &self,
        domain: &str,
        term: &str,
        limit: Option<u32>,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<Found>> {
        let mut endpoints = endpoints(domain, &self.transport.config);
        if domain == DOCKER_HUB {
            let base = DOCKER_HUB_URL.to_owned();
            endpoints = vec![Endpoint { base, verify: true, mirror: false }];
        }
        let mut last = None;
        for endpoint in endpoints {
            match self.search_at(&endpoint, term, limit, credentials) {
                Err(error @ Error::Unreachable { .. }) => last = Some(error),
                decided => return decided,
            }
        }
        // A domain has one endpoint at least.
        Err(last.unwrap_or_else(|| Error::unusable(domain, "it has no endpoint")))
    }

    fn search_at(
        &self,
        endpoint: &Endpoint,
        term: &str,
        limit: Option<u32>,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<Found>> {
        let url = format!("{}/v1/search", endpoint.base);
        let mut request = self.transport.agent(&url, endpoint.verify)?.get(&url).query("q", term);
        if let Some(limit) = limit {
            request = request.query("n", limit.to_string());
        }
        if let Some(basic) = credentials.and_then(Credentials::basic) {
            request = request.header("Authorization", basic);
        }
        let response = request.call().map_err(|error| Error::unanswered(&url, error))?;
        let answer = Answer { url, response };
        match answer.status() {
            200 => Ok(answer.json::<Page>()?.results.unwrap_or_default()),
            404 | 405 => Err(Error::NoSearch { url: answer.url }),
            401 | 403 => Err(Error::Unauthorized { reason: answer.reason() }),
            status => {
                let url = answer.url.clone();
                Err(Error::Refused { url, status, reason: answer.reason() })
            }
        }
    }
}
