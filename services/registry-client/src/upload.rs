//! Blobs on their way to a registry.

use gantry_types::Digest;
use ureq::http::Method;

use crate::repository::{Call, Payload, Source, Target};
use crate::{Error, Repository, Result, retry};

/// How a blob came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// The repository had it.
    Existed,
    /// Another repository of the registry had it.
    Mounted,
    /// It was sent.
    Sent,
}

impl Repository {
    /// Whether the repository has a blob.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let answer = self.send(&Call::new(Method::HEAD, &format!("blobs/{digest}")))?;
        match answer.status() {
            404 => Ok(false),
            _ if answer.is_success() => Ok(true),
            _ => Err(self.refusal(answer)),
        }
    }

    /// Sends a blob, unless it is there already or can be had from the repository `mount_from` of the same registry.
    /// `open` opens the content, anew for each attempt; it has `size_bytes`.
    pub fn upload_blob(
        &self,
        digest: &Digest,
        size_bytes: u64,
        mount_from: Option<&str>,
        open: &Source<'_>,
    ) -> Result<Uploaded> {
        if self.has_blob(digest)? {
            return Ok(Uploaded::Existed);
        }
        let mut attempt = 1;
        loop {
            let sent = self.try_upload(digest, size_bytes, mount_from, open);
            let again = match &sent {
                Err(Error::Unreachable { .. }) => true,
                // The session is gone: another begins at the beginning.
                Err(Error::Refused { status, .. }) => *status == 404 || *status >= 500,
                _ => false,
            };
            if !again || !retry::wait(attempt, None) {
                return sent;
            }
            attempt += 1;
        }
    }

    fn try_upload(
        &self,
        digest: &Digest,
        size_bytes: u64,
        mount_from: Option<&str>,
        open: &Source<'_>,
    ) -> Result<Uploaded> {
        let begin = match mount_from {
            Some(from) => format!("blobs/uploads/?mount={digest}&from={from}"),
            None => "blobs/uploads/".to_owned(),
        };
        let mut call = Call::new(Method::POST, &begin);
        call.payload = Payload::Bytes(&[]);
        let answer = self.send(&call)?;
        match answer.status() {
            201 => return Ok(Uploaded::Mounted),
            202 => {}
            _ => return Err(self.refusal(answer)),
        }
        let Some(location) = answer.header("location") else {
            return Err(Error::unusable(&answer.url, "it does not say where to send the blob"));
        };
        let location = absolute(&answer.url, location);
        let separator = if location.contains('?') { '&' } else { '?' };
        let url = format!("{location}{separator}digest={digest}");
        let call = Call {
            method: Method::PUT,
            target: Target::Url(&url),
            headers: vec![
                ("Content-Type", "application/octet-stream".to_owned()),
                ("Content-Length", size_bytes.to_string()),
            ],
            payload: Payload::Stream(open),
        };
        let answer = self.send(&call)?;
        if answer.is_success() { Ok(Uploaded::Sent) } else { Err(self.refusal(answer)) }
    }
}

/// A location that may be relative, in full (RFC 3986, as far as registries use it).
pub(crate) fn absolute(current: &str, location: &str) -> String {
    if location.contains("://") {
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
        ] {
            assert_eq!(absolute(current, location), expected);
        }
        assert_eq!(absolute("http://r", "/x"), "http://r/x");
    }
}
