//! One upload of one blob: the steps that the distribution specification calls pushing a blob monolithically, in
//! chunks, and as a stream.

use std::io;
use std::ops::Range;

use gantry_types::Digest;
use ureq::http::Method;

use crate::answer::Answer;
use crate::repository::{Call, Payload, Source, Target};
use crate::{Error, Repository, Result};

/// The most that one request brings when the whole was too much for the registry, in bytes.
const CHUNK_BYTES: u64 = 32 << 20;

const CONTENT_TYPE: &str = "application/octet-stream";

/// See the head of this file. Where it is changes with every answer.
pub(super) struct Session<'a> {
    repository: &'a Repository,
    location: String,
}

impl<'a> Session<'a> {
    /// The session that an answer tells of.
    pub(super) fn new(repository: &'a Repository, answer: &Answer) -> Result<Self> {
        let Some(location) = answer.header("location") else {
            return Err(Error::unusable(&answer.url, "it does not say where to send the blob"));
        };
        Ok(Self { repository, location: absolute(&answer.url, location) })
    }

    /// The whole blob in one request.
    pub(super) fn send_whole(
        &self,
        digest: &Digest,
        size_bytes: u64,
        open: &Source<'_>,
    ) -> Result<()> {
        let url = self.end_url(digest);
        let mut call = to(Method::PUT, &url).header("Content-Length", size_bytes.to_string());
        call.payload = Payload::Stream(open, 0..size_bytes);
        self.finished(&call)
    }

    /// What is missing of the blob, in as many requests as it takes.
    pub(super) fn send_rest(
        &mut self,
        digest: &Digest,
        rest: Range<u64>,
        open: &Source<'_>,
    ) -> Result<()> {
        let mut from = rest.start;
        while from < rest.end {
            let chunk = from..rest.end.min(from + CHUNK_BYTES);
            let url = self.location.clone();
            let mut call = to(Method::PATCH, &url)
                .header("Content-Range", format!("{}-{}", chunk.start, chunk.end - 1))
                .header("Content-Length", (chunk.end - chunk.start).to_string());
            call.payload = Payload::Stream(open, chunk.clone());
            self.go_on(&call)?;
            from = chunk.end;
        }
        self.end(digest)
    }

    /// Content of a length and digest that nobody knows yet.
    pub(super) fn stream(
        mut self,
        open: &Source<'_>,
        digest: &mut dyn FnMut() -> io::Result<Digest>,
    ) -> Result<()> {
        let url = self.location.clone();
        let mut call = to(Method::PATCH, &url);
        call.payload = Payload::Stream(open, 0..u64::MAX);
        self.go_on(&call)?;
        let digest = digest().map_err(|source| Error::Source { source })?;
        self.end(&digest)
    }

    /// How much of the blob the registry has kept; nothing when it does not know the session any more.
    pub(super) fn kept_bytes(&mut self) -> Option<u64> {
        let url = self.location.clone();
        let answer = self.repository.send(&to(Method::GET, &url)).ok()?;
        if answer.status() != 204 {
            return None;
        }
        let last: u64 = answer.header("range")?.trim().strip_prefix("0-")?.parse().ok()?;
        if let Some(location) = answer.header("location") {
            self.location = absolute(&answer.url, location);
        }
        last.checked_add(1)
    }

    /// Tells the registry to forget it. Sessions that are only left end too, some days later.
    pub(super) fn cancel(self) {
        if let Err(error) = self.repository.send(&to(Method::DELETE, &self.location)) {
            tracing::debug!(%error, "cannot cancel an upload");
        }
    }

    fn go_on(&mut self, call: &Call<'_>) -> Result<()> {
        let answer = self.repository.send(call)?;
        if !answer.is_success() {
            return Err(self.repository.refusal(answer));
        }
        if let Some(location) = answer.header("location") {
            self.location = absolute(&answer.url, location);
        }
        Ok(())
    }

    fn end(&self, digest: &Digest) -> Result<()> {
        let url = self.end_url(digest);
        let mut call = to(Method::PUT, &url);
        call.payload = Payload::Bytes(&[]);
        self.finished(&call)
    }

    fn finished(&self, call: &Call<'_>) -> Result<()> {
        let answer = self.repository.send(call)?;
        if answer.is_success() { Ok(()) } else { Err(self.repository.refusal(answer)) }
    }

    fn end_url(&self, digest: &Digest) -> String {
        let separator = if self.location.contains('?') { '&' } else { '?' };
        format!("{}{separator}digest={digest}", self.location)
    }
}

fn to(method: Method, url: &str) -> Call<'_> {
    let headers = vec![("Content-Type", CONTENT_TYPE.to_owned())];
    Call { method, target: Target::Url(url), headers, payload: Payload::None }
}

/// A location that may be relative, in full (RFC 3986, as far as registries use it).
pub(crate) fn absolute(current: &str, location: &str) -> String {
    // A path may have a URL in its query.
    let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if location.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme)) {
        return location.to_owned();
    }
    let scheme = current.find("://").map_or(0, |at| at + 3);
    let host_end = current[scheme..].find('/').map_or(current.len(), |at| scheme + at);
    if location.starts_with('/') {
        return format!("{}{location}", &current[..host_end]);
    }
    let path = current.split(['?', '#']).next().unwrap_or(current);
    let folder = path.rfind('/').filter(|slash| *slash >= host_end).unwrap_or(path.len());
    format!("{}/{location}", &path[..folder])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        let current = "http://r:5000/v2/a/blobs/uploads/?x=1";
        for (location, expected) in [
            ("https://s/x?y", "https://s/x?y"),
            ("/v2/a/blobs/uploads/u?_state=s", "http://r:5000/v2/a/blobs/uploads/u?_state=s"),
            ("u", "http://r:5000/v2/a/blobs/uploads/u"),
            ("/v2/u?from=https://s/x", "http://r:5000/v2/u?from=https://s/x"),
        ] {
            assert_eq!(absolute(current, location), expected);
        }
        assert_eq!(absolute("http://r", "/x"), "http://r/x");
    }
}
