//! The calls that copy files into and out of containers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gantry_api::container::ContainerPathStat;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method};

use crate::Result;
use crate::body::BodyReader;
use crate::client::{Call, Client};
use crate::error::Error;
use crate::query::{Query, segment};
use crate::upload::Upload;

/// How files go into a container.
#[derive(Debug, Clone, Copy, Default)]
pub struct CopyInQuery {
    /// A directory is not replaced by anything else, nor the other way round.
    pub kinds_stay: bool,
    /// Everything belongs to the container's user.
    pub to_user: bool,
}

impl Client {
    /// What is at a path in a container.
    pub async fn container_path_stat(&self, id: &str, path: &str) -> Result<ContainerPathStat> {
        let call = Call::new(Method::HEAD, archive(id, path, Query::default())?);
        let name = call.name();
        read_stat(&name, &self.versioned_headers(call).await?)
    }

    /// An archive of what is at a path in a container, and what that is.
    pub async fn container_copy_out(
        &self,
        id: &str,
        path: &str,
    ) -> Result<(ContainerPathStat, BodyReader)> {
        let call = Call::get(archive(id, path, Query::default())?);
        let name = call.name();
        let (headers, body) = self.stream_with_headers(call).await?;
        Ok((read_stat(&name, &headers)?, body))
    }

    /// Extracts an archive into a directory of a container.
    pub async fn container_copy_in(
        &self,
        id: &str,
        path: &str,
        options: CopyInQuery,
        content: Upload,
    ) -> Result<()> {
        let query = Query::default()
            .flag("noOverwriteDirNonDir", options.kinds_stay)
            .flag("copyUIDGID", options.to_user);
        let call = Call::new(Method::PUT, archive(id, path, query)?).archive(content);
        self.whole(call).await.map(drop)
    }
}

fn archive(id: &str, path: &str, query: Query) -> Result<String> {
    let query = query.text("path", path);
    Ok(format!("/containers/{}/archive{}", segment("container name", id)?, query.as_str()))
}

fn read_stat(request: &str, headers: &HeaderMap) -> Result<ContainerPathStat> {
    let value = headers.get(ContainerPathStat::HEADER).map(HeaderValue::as_bytes);
    let text = STANDARD.decode(value.unwrap_or_default()).unwrap_or_default();
    serde_json::from_slice(&text)
        .map_err(|source| Error::Answer { request: request.to_owned(), source })
}
