//! Requests and answers as authorization plugins see them: Docker's names, bodies of JSON alone, no credentials.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_engine::Engine;
use gantry_engine::system::{AuthorizationAnswer, AuthorizationRequest, authorize};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};

use crate::body::{self, RequestBody};
use crate::config::Config;
use crate::error::Error;
use crate::reply::Reply;
use crate::tls::Peer;

/// They hold credentials.
const SECRET: [&str; 4] =
    ["authorization", "x-gantry-secrets", "x-registry-auth", "x-registry-config"];
/// Its body is credentials.
const LOGIN: &str = "/auth";

/// What the plugins were told of a request that they let pass.
pub(crate) struct Passed {
    plugins: Vec<String>,
    request: AuthorizationRequest,
}

/// Asks the plugins, if there are any, whether a request may be served.
///
/// # Errors
/// One says no, or does not answer; or the body is not one that can be shown to them.
pub(crate) async fn of_request(
    request: Request<Incoming>,
    engine: &Engine,
    config: &Config,
) -> Result<(Request<RequestBody>, Option<Passed>), Error> {
    let plugins = engine.live().authorization_plugins.clone();
    let (head, body) = request.into_parts();
    if plugins.is_empty() {
        return Ok((Request::from_parts(head, RequestBody::Coming(body)), None));
    }
    let mut body = RequestBody::Coming(body);
    let peer = head.extensions.get::<Arc<Peer>>();
    let mut told = AuthorizationRequest {
        user: peer.map(|peer| peer.user.clone()).unwrap_or_default(),
        user_method: peer.map(|_| "TLS".to_owned()).unwrap_or_default(),
        method: head.method.to_string(),
        uri: head.uri.to_string(),
        headers: shown(&head.headers),
        certificates: peer.map(|peer| peer.certificates.clone()).unwrap_or_default(),
        ..AuthorizationRequest::default()
    };
    // All of it or nothing: what a plugin has not seen it cannot have allowed.
    if has_json(&head.headers) && !head.uri.path().ends_with(LOGIN) {
        let bytes = body::collect(body, config.max_body_bytes, config.body_timeout).await?;
        told.body = STANDARD.encode(&bytes);
        body = RequestBody::Read(bytes);
    }
    if let Err(error) = authorize(engine, plugins.clone(), told.clone()).await {
        body::drain(&mut body).await;
        return Err(error.into());
    }
    Ok((Request::from_parts(head, body), Some(Passed { plugins, request: told })))
}

impl Passed {
    /// The question whether this answer may go out.
    pub(crate) fn with(mut self, reply: &Reply) -> Self {
        let is_login = self.request.uri.split('?').next().is_some_and(|path| path.ends_with(LOGIN));
        let whole = reply.body().whole().filter(|_| has_json(reply.headers()) && !is_login);
        self.request.answer = Some(AuthorizationAnswer {
            status: reply.status().as_u16(),
            body: whole.map(|bytes| STANDARD.encode(bytes)).unwrap_or_default(),
            headers: shown(reply.headers()),
        });
        self
    }

    /// Asks the plugins.
    ///
    /// # Errors
    /// One says no, or does not answer.
    pub(crate) async fn ask(self, engine: &Engine) -> Result<(), Error> {
        Ok(authorize(engine, self.plugins, self.request).await?)
    }
}

fn has_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(body::is_json)
}

/// By the names that Go would write; of several with one name the last.
fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter(|(name, _)| !SECRET.contains(&name.as_str()))
        .map(|(name, value)| {
            (canonical(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_shown_without_credentials() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("x-registry-auth", "secret"),
            ("x-gantry-secrets", "secret"),
            ("x-a--b", "1"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let shown = shown(&headers);
        assert_eq!(shown.keys().collect::<Vec<_>>(), ["Content-Type", "X-A--B"]);
        assert!(has_json(&headers));
    }
}
