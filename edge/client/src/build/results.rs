//! What becomes of what a build gives, and where it finds what earlier ones gave; handing files over meanwhile.

use gantry_api::build::BuildOutput;

use crate::body::BodyReader;
use crate::client::{Call, Client};
use crate::hijack::Hijacked;
use crate::query::{Query, segment};
use crate::upload::Upload;
use crate::{Error, Result};

/// See the head of this file.
#[derive(Debug, Clone, Default)]
pub struct BuildResults {
    /// What is made; an image of the daemon's where there is none.
    pub outputs: Vec<BuildOutput>,
    /// `[TYPE:]KEY=VALUE`.
    pub annotations: Vec<String>,
    /// `type=sbom`, `type=provenance,mode=max`.
    pub attestations: Vec<String>,
    /// `type=registry,ref=…` or `type=local`: caches that are read.
    pub cache_from: Vec<String>,
    /// The same, and `type=inline`: caches that are written.
    pub cache_to: Vec<String>,
    /// The result depends on nothing but what goes in.
    pub is_reproducible: bool,
    /// Tell of the result's digests.
    pub tells_metadata: bool,
}

impl BuildResults {
    /// As parameters of `POST /build`.
    pub(super) fn add_to(&self, mut query: Query) -> Result<Query> {
        fn document(value: &impl serde::Serialize) -> Result<String> {
            let request = "POST /build".to_owned();
            serde_json::to_string(value).map_err(|source| Error::Body { request, source })
        }
        if !self.outputs.is_empty() {
            query = query.text("outputs", &document(&self.outputs)?);
        }
        for (name, list) in [
            ("annotations", &self.annotations),
            ("attestations", &self.attestations),
            ("cachefrom", &self.cache_from),
            ("cacheto", &self.cache_to),
        ] {
            if !list.is_empty() {
                query = query.text(name, &document(list)?);
            }
        }
        for (name, is_set) in
            [("reproducible", self.is_reproducible), ("metadata", self.tells_metadata)]
        {
            if is_set {
                query = query.text(name, "1");
            }
        }
        Ok(query)
    }
}

/// Where something is handed over.
fn path(id: &str) -> Result<String> {
    Ok(format!("/gantry/build/exchange/{}", segment("exchange ID", id)?))
}

impl Client {
    /// What a cache mount holds, by the id that builds call it by.
    pub async fn build_mount_export(&self, id: &str) -> Result<BodyReader> {
        let query = Query::default().text("id", id);
        self.stream(Call::get(format!("/gantry/build/mounts{}", query.as_str()))).await
    }

    /// Puts the files of an archive, which may be compressed, in the place of what a cache mount holds.
    pub async fn build_mount_import(&self, id: &str, archive: Upload) -> Result<()> {
        let query = Query::default().text("id", id);
        let call = Call::post(format!("/gantry/build/mounts{}", query.as_str())).archive(archive);
        self.whole(call).await.map(drop)
    }

    /// What a build that goes on offers under an id.
    pub async fn build_take(&self, id: &str) -> Result<BodyReader> {
        self.stream(Call::get(path(id)?)).await
    }

    /// Brings what a build that goes on wants under an id; none where there is no such thing.
    pub async fn build_bring(&self, id: &str, content: Option<Upload>) -> Result<()> {
        let call = match content {
            Some(content) => Call::post(path(id)?).archive(content),
            None => Call::post(format!("{}?missing=1", path(id)?)),
        };
        self.whole(call).await.map(drop)
    }

    /// Opens a connection that a build that goes on wants under an id.
    pub async fn build_open(&self, id: &str) -> Result<Hijacked> {
        self.hijack(Call::post(format!("{}/connection", path(id)?))).await
    }
}
