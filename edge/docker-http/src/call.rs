//! One request as handlers see it: where it goes, its parameters, its body, and the version it speaks.

use hyper::header::{CONTENT_TYPE, HeaderMap, UPGRADE};
use serde::de::DeserializeOwned;

use crate::body;
use crate::error::Error;
use crate::local_peer::LocalPeer;
use crate::query::Query;
use crate::serve::Server;
use crate::version::ApiVersion;

/// One request on its way to a use case.
pub(crate) struct Call {
    pub(crate) server: Server,
    pub(crate) version: ApiVersion,
    /// Whether only the head of the answer is wanted.
    pub(crate) is_head: bool,
    /// The name in the path.
    pub(crate) name: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    /// The client, where it is a process of this machine.
    pub(crate) local_peer: Option<LocalPeer>,
    pub(crate) body: body::RequestBody,
}

impl Call {
    /// The body as a document, or its default when there is no body.
    pub(crate) async fn json<T: DeserializeOwned + Default>(self) -> Result<T, Error> {
        let bytes = self.json_bytes().await?;
        if bytes.is_empty() { Ok(T::default()) } else { body::parse(&bytes) }
    }

    /// The bytes of a body that has to be JSON, within the server's limits.
    pub(crate) async fn json_bytes(self) -> Result<bytes::Bytes, Error> {
        let config = &self.server.config;
        body::check_type(self.headers.get(CONTENT_TYPE), &self.body)?;
        body::collect(self.body, config.max_body_bytes, config.body_timeout).await
    }

    /// The body as an archive, to be read while it comes.
    pub(crate) fn archive(self) -> body::BodyReader {
        body::BodyReader::new(self.body, self.server.config.archive_stall)
    }

    /// Whether the client asked to turn the connection into raw bytes by the book.
    pub(crate) fn asks_for_upgrade(&self) -> bool {
        self.headers.contains_key(UPGRADE)
    }
}
