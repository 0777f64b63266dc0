//! Bearer tokens: fetched from the server that a registry names, kept until they expire (Docker's token
//! authentication, and its OAuth 2.0 form for refresh tokens).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::answer::Answer;
use crate::transport::Transport;
use crate::{Credentials, Error, Result, endpoint};

/// What a token lasts when its server does not say (the specification's minimum).
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);

/// What a token lasts at most, whatever its server says.
const MAX_LIFETIME: Duration = Duration::from_hours(24);

/// Tokens are given up this long before they expire.
const MARGIN: Duration = Duration::from_secs(10);

const MAX_TOKEN_BYTES: usize = 64 << 10;

/// What a token is wanted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) realm: String,
    pub(crate) service: String,
    pub(crate) scope: String,
}

impl Wanted {
    /// Credentials do not go from an encrypted registry to a token server that is not.
    pub(crate) fn check_for(&self, url: &str) -> Result<()> {
        if url.starts_with("https://") && !self.realm.starts_with("https://") {
            let reason = format!("it sends us to {:?}, which is not encrypted", self.realm);
            return Err(Error::unusable(url, reason));
        }
        Ok(())
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Token {
    #[serde(default, rename = "token")]
    value: String,
    /// What servers of OAuth 2.0 call the same.
    #[serde(default, rename = "access_token")]
    access: String,
    expires_in: Option<u64>,
    /// With it, a login needs no password from then on.
    #[serde(default, rename = "refresh_token")]
    pub(crate) refresh: String,
}

impl Token {
    pub(crate) fn value(&self) -> &str {
        if self.value.is_empty() { &self.access } else { &self.value }
    }
}

/// The tokens that are still good.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    kept: Mutex<HashMap<(Wanted, u64), (String, Instant)>>,
}

impl Tokens {
    /// A token for this user, kept or fresh; never the one that was refused.
    pub(crate) fn get(
        &self,
        transport: &Transport,
        wanted: &Wanted,
        credentials: Option<&Credentials>,
        refused: Option<&str>,
    ) -> Result<String> {
        let key = (wanted.clone(), Credentials::fingerprint(credentials));
        if let Some((token, expires)) = self.lock().get(&key)
            && *expires > Instant::now()
            && refused != Some(token)
        {
            return Ok(token.clone());
        }
        let token = fetch(transport, wanted, credentials, false)?;
        let lifetime = token.expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs);
        let expires = Instant::now() + lifetime.min(MAX_LIFETIME).saturating_sub(MARGIN);
        let mut kept = self.lock();
        kept.retain(|_, (_, expires)| *expires > Instant::now());
        kept.insert(key, (token.value().to_owned(), expires));
        Ok(token.value().to_owned())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Wanted, u64), (String, Instant)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the token server. With `offline`, also for a refresh token.
pub(crate) fn fetch(
    transport: &Transport,
    wanted: &Wanted,
    credentials: Option<&Credentials>,
    offline: bool,
) -> Result<Token> {
    let realm = wanted.realm.as_str();
    if !realm.starts_with("https://") && !realm.starts_with("http://") {
        return Err(Error::unusable(realm, "the token server's address is no URL"));
    }
    let verify = !endpoint::is_insecure(endpoint::authority(realm), &transport.config);
    if realm.starts_with("http://") && verify {
        let reason = "the token server is not encrypted and not listed in insecure-registries";
        return Err(Error::unusable(realm, reason));
    }
    let agent = transport.agent(realm, verify)?;
    let unreachable = |error| Error::Unreachable { url: realm.to_owned(), source: Box::new(error) };
    let refresh = credentials.map(|own| own.identity_token.as_str()).filter(|own| !own.is_empty());
    let response = if let Some(refresh) = refresh {
        let form = [
            ("grant_type", "refresh_token"),
            ("service", &wanted.service),
            ("scope", &wanted.scope),
            ("client_id", "gantry"),
            ("refresh_token", refresh),
        ];
        agent.post(realm).send_form(form).map_err(unreachable)?
    } else {
        let mut request = agent.get(realm).query("service", &wanted.service);
        for scope in wanted.scope.split(' ').filter(|scope| !scope.is_empty()) {
            request = request.query("scope", scope);
        }
        if offline {
            request = request.query("offline_token", "true").query("client_id", "gantry");
        }
        if let Some(basic) = credentials.and_then(Credentials::basic) {
            request = request.header("Authorization", basic);
        }
        request.call().map_err(unreachable)?
    };
    read(Answer { url: realm.to_owned(), response })
}

fn read(answer: Answer) -> Result<Token> {
    let status = answer.status();
    if !answer.is_success() {
        let (url, seconds) = (answer.url.clone(), answer.number("retry-after"));
        let reason = answer.reason();
        return Err(match status {
            400 | 401 | 403 => Error::Unauthorized { reason },
            429 => Error::TooManyRequests { reason: with_pause(reason, seconds) },
            _ => Error::Refused { url, status, reason },
        });
    }
    let url = answer.url.clone();
    let token: Token = answer.json()?;
    let sendable = |byte: u8| byte.is_ascii_graphic();
    let value = token.value();
    if value.is_empty() || value.len() > MAX_TOKEN_BYTES || !value.bytes().all(sendable) {
        return Err(Error::unusable(&url, "it has no token"));
    }
    Ok(token)
}

/// The registry's words, and how long it wants us to wait.
pub(crate) fn with_pause(reason: String, seconds: Option<u64>) -> String {
    match seconds {
        Some(seconds) => format!("{reason} (try again in {seconds} s)"),
        None => reason,
    }
}
