//! The `Authorization` header of one repository's requests: learnt from the registry's first refusal.

use std::sync::{Mutex, PoisonError};

use crate::answer::Answer;
use crate::challenge::Challenge;
use crate::token::{Tokens, Wanted};
use crate::transport::Transport;
use crate::{Credentials, Result};

/// How a registry wants to be asked, once it has said so.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scheme {
    Unknown,
    Basic(String),
    Bearer(Wanted),
    Given(String),
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Authorization {
    credentials: Option<Credentials>,
    /// What is wanted; a registry that names no scope gets this one.
    scope: String,
    scheme: Mutex<Scheme>,
}

impl Authorization {
    pub(crate) fn new(credentials: Option<Credentials>, scope: String) -> Self {
        let given = credentials.as_ref().map(|own| own.registry_token.as_str());
        let scheme = match given {
            Some(token) if !token.is_empty() => Scheme::Given(format!("Bearer {token}")),
            _ => Scheme::Unknown,
        };
        Self { credentials, scope, scheme: Mutex::new(scheme) }
    }

    /// The same for more than the repository itself.
    pub(crate) fn widened(&self, more: &str) -> Self {
        let scope = format!("{} {more}", self.scope);
        let mut scheme = self.scheme.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Scheme::Bearer(wanted) = &mut scheme {
            wanted.scope.clone_from(&scope);
        }
        Self { credentials: self.credentials.clone(), scope, scheme: Mutex::new(scheme) }
    }

    /// The header's value for the next request; none as long as the registry wants none. A value that was refused is
    /// not given again when there can be another.
    pub(crate) fn header(
        &self,
        transport: &Transport,
        tokens: &Tokens,
        refused: Option<&str>,
    ) -> Result<Option<String>> {
        let scheme = self.scheme.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(match scheme {
            Scheme::Unknown => None,
            Scheme::Basic(value) | Scheme::Given(value) => Some(value),
            Scheme::Bearer(wanted) => {
                let refused = refused.and_then(|value| value.strip_prefix("Bearer "));
                let token = tokens.get(transport, &wanted, self.credentials.as_ref(), refused)?;
                Some(format!("Bearer {token}"))
            }
        })
    }

    /// Learns from an answer with status 401 to a request with the header `sent`; whether another try is worth it.
    ///
    /// # Errors
    /// The registry wants what we cannot give.
    pub(crate) fn learn(&self, answer: &Answer, sent: Option<&str>) -> Result<bool> {
        let learnt = answer.challenges().iter().find_map(|challenge| self.scheme(challenge));
        let Some(learnt) = learnt else { return Ok(false) };
        if let Scheme::Bearer(wanted) = &learnt {
            wanted.check_for(&answer.url)?;
        }
        // Basic credentials that were refused once are refused again; a token may have expired.
        let worth_it = matches!(learnt, Scheme::Bearer(_)) || sent.is_none();
        *self.scheme.lock().unwrap_or_else(PoisonError::into_inner) = learnt;
        Ok(worth_it)
    }

    fn scheme(&self, challenge: &Challenge) -> Option<Scheme> {
        match challenge {
            Challenge::Basic => {
                let basic = self.credentials.as_ref().and_then(Credentials::basic);
                basic.map(Scheme::Basic)
            }
            Challenge::Bearer { realm, service, scope } => {
                let scope = if self.scope.is_empty() { scope } else { &self.scope };
                Some(Scheme::Bearer(Wanted {
                    realm: realm.clone(),
                    service: service.clone(),
                    scope: scope.clone(),
                }))
            }
        }
    }
}
