//! Blobs on their way to a registry.

mod session;

use std::io;

use gantry_types::Digest;
use ureq::http::Method;

use crate::repository::{Call, Payload, Source, may_pass};
use crate::{Error, Repository, Result, retry};
use session::Session;
pub(crate) use session::absolute;

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

/// How an upload began.
enum Begun<'a> {
    Mounted,
    Session(Session<'a>),
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

    /// Whether a blob is there, or can be had from the repository `mount_from` of the same registry; nothing is sent.
    pub fn take_over(&self, digest: &Digest, mount_from: Option<&str>) -> Result<Option<Uploaded>> {
        if self.has_blob(digest)? {
            return Ok(Some(Uploaded::Existed));
        }
        let Some(from) = mount_from else { return Ok(None) };
        match self.begin(Some((digest, from)))? {
            Begun::Mounted => Ok(Some(Uploaded::Mounted)),
            Begun::Session(session) => {
                session.cancel();
                Ok(None)
            }
        }
    }

    /// Sends a blob, unless it is there already or can be had from the repository `mount_from` of the same registry.
    /// `open` opens the content from a byte on, anew for each attempt; it has `size_bytes`.
    ///
    /// What a broken connection has brought over is not sent again where the registry has kept it, and a registry
    /// that takes no request of that size gets the blob in chunks.
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
        let mut session = match self.begin(mount_from.map(|from| (digest, from)))? {
            Begun::Mounted => return Ok(Uploaded::Mounted),
            Begun::Session(session) => session,
        };
        let mut sent = session.send_whole(digest, size_bytes, open);
        loop {
            let in_chunks = matches!(sent, Err(Error::Refused { status: 413, .. }));
            match &sent {
                Err(error) if in_chunks || is_worth_another_try(error) => {
                    tracing::info!(%digest, %error, "an upload broke off");
                }
                _ => return sent.map(|()| Uploaded::Sent),
            }
            if !retry::wait(attempt, self.attempts(), None) {
                return sent.map(|()| Uploaded::Sent);
            }
            attempt += 1;
            let from = session.kept_bytes().filter(|kept| (1..=size_bytes).contains(kept));
            sent = match from {
                Some(from) => session.send_rest(digest, from..size_bytes, open),
                None => match self.begin(None)? {
                    Begun::Mounted => return Ok(Uploaded::Mounted),
                    Begun::Session(fresh) => {
                        session = fresh;
                        if in_chunks {
                            session.send_rest(digest, 0..size_bytes, open)
                        } else {
                            session.send_whole(digest, size_bytes, open)
                        }
                    }
                },
            };
        }
    }

    /// Sends a blob whose digest is known only when it has been read to its end: `digest` is asked for it then.
    ///
    /// # Errors
    /// [`Error::Source`] when `digest` fails.
    pub fn upload_stream(
        &self,
        open: &Source<'_>,
        digest: &mut dyn FnMut() -> io::Result<Digest>,
    ) -> Result<()> {
        let mut attempt = 1;
        loop {
            let sent = self.begin(None).and_then(|begun| match begun {
                Begun::Mounted => Ok(()),
                Begun::Session(session) => session.stream(open, digest),
            });
            match &sent {
                Err(error)
                    if is_worth_another_try(error)
                        && retry::wait(attempt, self.attempts(), None) =>
                {
                    tracing::info!(%error, "an upload broke off");
                }
                _ => return sent,
            }
            attempt += 1;
        }
    }

    /// Begins an upload, or has a blob taken over.
    fn begin(&self, mount: Option<(&Digest, &str)>) -> Result<Begun<'_>> {
        let path = match mount {
            Some((digest, from)) => format!("blobs/uploads/?mount={digest}&from={from}"),
            None => "blobs/uploads/".to_owned(),
        };
        let mut call = Call::new(Method::POST, &path);
        call.payload = Payload::Bytes(&[]);
        let answer = self.send(&call)?;
        match answer.status() {
            201 if mount.is_some() => Ok(Begun::Mounted),
            202 => Ok(Begun::Session(Session::new(self, &answer)?)),
            _ => Err(self.refusal(answer)),
        }
    }
}

/// The session is gone or its connection broke: another may do.
fn is_worth_another_try(error: &Error) -> bool {
    match error {
        Error::Unreachable { source, .. } => may_pass(source),
        Error::Refused { status, .. } => matches!(status, 404 | 416) || *status >= 500,
        _ => false,
    }
}
