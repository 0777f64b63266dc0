//! The client: what all requests share, and `login`.

use std::sync::Arc;

use gantry_types::ImageReference;

use crate::answer::Answer;
use crate::challenge::Challenge;
use crate::endpoint::{Endpoint, endpoints};
use crate::token::{Tokens, Wanted, fetch};
use crate::transport::Transport;
use crate::{Access, Config, Credentials, Error, Repository, Result};

/// Speaks to registries. `Send + Sync`; share it by `Arc`.
#[derive(Debug)]
pub struct Client {
    pub(crate) transport: Transport,
    pub(crate) tokens: Tokens,
}

impl Client {
    /// A client that has spoken to nobody yet.
    pub fn new(config: Config) -> Self {
        Self { transport: Transport::new(config), tokens: Tokens::default() }
    }

    /// A client like this one that speaks to one registry more (`host[:port]`) as to those in [`Config::insecure`].
    #[must_use]
    pub fn trusting(&self, domain: &str) -> Arc<Self> {
        let mut config = self.transport.config.clone();
        config.insecure.push(domain.to_owned());
        Arc::new(Self::new(config))
    }

    /// The repository of a reference. Nothing is asked yet.
    pub fn repository(
        self: &Arc<Self>,
        reference: &ImageReference,
        credentials: Option<Credentials>,
        access: Access,
    ) -> Repository {
        Repository::new(Arc::clone(self), reference, credentials, access)
    }

    /// Checks credentials at a registry (`docker.io`, `host[:port]`). A refresh token, when the registry's token
    /// server gives one, is to be used in place of the password from then on.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when they are wrong.
    pub fn login(&self, domain: &str, credentials: &Credentials) -> Result<Option<String>> {
        let mut last = None;
        let real = endpoints(domain, &self.transport.config).into_iter();
        for endpoint in real.filter(|endpoint| !endpoint.mirror) {
            match self.login_at(&endpoint, credentials) {
                Err(error @ Error::Unreachable { .. }) => last = Some(error),
                decided => return decided,
            }
        }
        // A domain has one endpoint at least.
        Err(last.unwrap_or_else(|| Error::unusable(domain, "it has no endpoint")))
    }

    fn login_at(&self, endpoint: &Endpoint, credentials: &Credentials) -> Result<Option<String>> {
        let url = format!("{}/v2/", endpoint.base);
        let answer = self.ping(&url, endpoint.verify, None)?;
        if answer.status() != 401 {
            return check(answer).map(|()| None);
        }
        match answer.challenges().into_iter().next() {
            Some(Challenge::Bearer { realm, service, scope }) => {
                let wanted = Wanted { realm, service, scope };
                wanted.check_for(&url)?;
                let token = fetch(&self.transport, &wanted, Some(credentials), true)?;
                let header = format!("Bearer {}", token.value());
                check(self.ping(&url, endpoint.verify, Some(&header))?)?;
                Ok(Some(token.refresh).filter(|token| !token.is_empty()))
            }
            Some(Challenge::Basic) => {
                let header = credentials.basic();
                check(self.ping(&url, endpoint.verify, header.as_deref())?).map(|()| None)
            }
            None => {
                Err(Error::unusable(&url, "it asks for credentials in a way that is not known"))
            }
        }
    }

    fn ping(&self, url: &str, verify: bool, authorization: Option<&str>) -> Result<Answer> {
        let mut request = self.transport.agent(url, verify)?.get(url);
        if let Some(value) = authorization {
            request = request.header("Authorization", value);
        }
        let response = request.call().map_err(|error| Error::unanswered(url, error))?;
        Ok(Answer { url: url.to_owned(), response })
    }
}

fn check(answer: Answer) -> Result<()> {
    match answer.status() {
        status if answer.is_success() => {
            tracing::debug!(status, "the registry takes the credentials");
            Ok(())
        }
        401 | 403 => Err(Error::Unauthorized { reason: answer.reason() }),
        status => {
            let url = answer.url.clone();
            Err(Error::Refused { url, status, reason: answer.reason() })
        }
    }
}
