//! One repository at one registry, and how every request to it is made: endpoint after endpoint, with credentials,
//! again after passing failures.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use gantry_types::ImageReference;
use ureq::http::{Method, Request};
use ureq::{AsSendBody, SendBody};

use crate::answer::Answer;
use crate::authorization::Authorization;
use crate::endpoint::{Endpoint, endpoints};
use crate::token::with_pause;
use crate::{Client, Credentials, Error, Result, retry};

/// What is to be done with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Pull,
    /// Read and write.
    Push,
}

/// A repository. It remembers which endpoint answered and how it wants to be asked; `Send + Sync`.
#[derive(Debug)]
pub struct Repository {
    pub(crate) client: Arc<Client>,
    pub(crate) reference: ImageReference,
    access: Access,
    authorization: Authorization,
    endpoints: Vec<Endpoint>,
    /// The index of the endpoint that answered first.
    chosen: Mutex<Option<usize>>,
}

/// One request, to be made as often as it takes.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) target: Target<'a>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) payload: Payload<'a>,
}

/// Where a request goes.
pub(crate) enum Target<'a> {
    /// Below `/v2/<repository>/`.
    Path(&'a str),
    /// Where an earlier answer sent us.
    Url(&'a str),
}

/// Opens content that is sent from a byte on, anew for each attempt. A failure of the kind
/// [`io::ErrorKind::Other`], here or while it is read, ends the upload.
pub type Source<'a> = dyn Fn(u64) -> io::Result<Box<dyn Read + Send>> + Sync + 'a;

/// What a request brings.
#[derive(Clone)]
pub(crate) enum Payload<'a> {
    None,
    Bytes(&'a [u8]),
    /// These bytes of the content.
    Stream(&'a Source<'a>, Range<u64>),
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, path: &'a str) -> Self {
        let (target, headers, payload) = (Target::Path(path), Vec::new(), Payload::None);
        Self { method, target, headers, payload }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Repository {
    pub(crate) fn new(
        client: Arc<Client>,
        reference: &ImageReference,
        credentials: Option<Credentials>,
        access: Access,
    ) -> Self {
        let actions = match access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        let mut endpoints = endpoints(reference.domain(), &client.transport.config);
        if access == Access::Push {
            endpoints.retain(|endpoint| !endpoint.mirror);
        }
        let scope = format!("repository:{}:{actions}", reference.path());
        Self {
            client,
            reference: reference.clone(),
            access,
            authorization: Authorization::new(credentials, scope),
            endpoints,
            chosen: Mutex::new(None),
        }
    }

    /// The same, with the right to take blobs over from another repository of the same registry.
    #[must_use]
    pub fn mounting_from(&self, path: &str) -> Self {
        let chosen = *self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            client: Arc::clone(&self.client),
            reference: self.reference.clone(),
            access: self.access,
            authorization: self.authorization.widened(&format!("repository:{path}:pull")),
            endpoints: self.endpoints.clone(),
            chosen: Mutex::new(chosen),
        }
    }

    /// The answer of the first endpoint that gives a usable one, whatever its status.
    pub(crate) fn send(&self, call: &Call<'_>) -> Result<Answer> {
        let chosen = *self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = chosen {
            return self.send_patiently(&self.endpoints[index], call);
        }
        let mut last = None;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let is_last = index + 1 == self.endpoints.len();
            // What may be tried elsewhere is tried there first.
            let answer = if is_last {
                self.send_patiently(endpoint, call)
            } else {
                self.send_once(endpoint, call)
            };
            match answer {
                Ok(answer) if endpoint.mirror && !answer.is_success() => {
                    tracing::info!(
                        url = answer.url,
                        status = answer.status(),
                        "the mirror has it not"
                    );
                }
                Ok(answer) => {
                    *self.chosen.lock().unwrap_or_else(PoisonError::into_inner) = Some(index);
                    return Ok(answer);
                }
                Err(error @ Error::Unreachable { .. }) => last = Some(error),
                Err(error) if endpoint.mirror => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::unusable(self.reference.domain(), "it has no endpoint")))
    }

    /// How often one thing is tried.
    pub(crate) fn attempts(&self) -> u32 {
        self.client.transport.config.attempts
    }

    fn send_patiently(&self, endpoint: &Endpoint, call: &Call<'_>) -> Result<Answer> {
        let mut attempt = 1;
        loop {
            let answer = self.send_once(endpoint, call);
            let wanted_seconds = match &answer {
                Ok(answer) if retry::is_passing(answer.status()) => answer.number("retry-after"),
                Err(Error::Unreachable { source, .. }) if may_pass(source) => None,
                _ => return answer,
            };
            if !retry::wait(attempt, self.attempts(), wanted_seconds) {
                return answer;
            }
            attempt += 1;
        }
    }

    /// One request; two where the registry wants credentials first.
    fn send_once(&self, endpoint: &Endpoint, call: &Call<'_>) -> Result<Answer> {
        let (answer, sent) = self.exchange(endpoint, call, None)?;
        if answer.status() != 401 || !self.authorization.learn(&answer, sent.as_deref())? {
            return Ok(answer);
        }
        self.exchange(endpoint, call, sent.as_deref()).map(|(answer, _)| answer)
    }

    /// One request, and the `Authorization` that it went with.
    fn exchange(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        refused: Option<&str>,
    ) -> Result<(Answer, Option<String>)> {
        let (transport, tokens) = (&self.client.transport, &self.client.tokens);
        let url = match call.target {
            Target::Path(path) => format!("{}/v2/{}/{path}", endpoint.base, self.reference.path()),
            Target::Url(url) => url.to_owned(),
        };
        if endpoint.is_downgrade(&url) {
            return Err(Error::unusable(&endpoint.base, format!("it leads to {url} without TLS")));
        }
        let mut request = Request::builder().method(call.method.clone()).uri(&url);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        // Credentials are for the registry, not for where it sends us.
        let authorization = if endpoint.has_origin_of(&url) {
            self.authorization.header(transport, tokens, refused)?
        } else {
            None
        };
        if let Some(value) = &authorization {
            request = request.header("Authorization", value);
        }
        let agent = transport.agent(&url, endpoint.verify)?;
        let sent = match &call.payload {
            Payload::None => run(&agent, request, ()),
            Payload::Bytes(bytes) => run(&agent, request, *bytes),
            Payload::Stream(open, range) => {
                let part = open(range.start).map_err(ureq::Error::Io);
                part.and_then(|content| {
                    let part = content.take(range.end - range.start);
                    run(&agent, request, SendBody::from_owned_reader(part))
                })
            }
        };
        let response = sent.map_err(|error| Error::unanswered(&url, error))?;
        Ok((Answer { url, response }, authorization))
    }

    /// What an answer without success means.
    pub(crate) fn refusal(&self, answer: Answer) -> Error {
        let (url, status, seconds) =
            (answer.url.clone(), answer.status(), answer.number("retry-after"));
        let reason = answer.reason();
        match status {
            401 | 403 => Error::Denied {
                action: match self.access {
                    Access::Pull => "pull",
                    Access::Push => "push",
                },
                repository: self.reference.familiar_repository(),
                reason,
            },
            429 => Error::TooManyRequests { reason: with_pause(reason, seconds) },
            _ => Error::Refused { url, status, reason },
        }
    }
}

fn run(
    agent: &ureq::Agent,
    request: ureq::http::request::Builder,
    body: impl AsSendBody,
) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    agent.run(request.body(body).map_err(ureq::Error::Http)?)
}

/// Whether a failure may be another one's next time.
pub(crate) fn may_pass(error: &ureq::Error) -> bool {
    use std::io::ErrorKind;
    match error {
        ureq::Error::Io(error) => {
            !matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::Other)
        }
        ureq::Error::Timeout(_) => true,
        _ => false,
    }
}
