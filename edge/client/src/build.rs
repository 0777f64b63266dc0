//! Calls for builds.

use std::collections::BTreeMap;

use gantry_api::build::BuildPruned;
use gantry_api::system::AuthConfig;

use crate::client::{Call, Client};
use crate::image::Progress;
use crate::query::Query;
use crate::upload::Upload;
use crate::{Error, Result};

/// What is built, and how.
#[derive(Debug, Clone, Default)]
pub struct BuildQuery {
    /// Names of the image.
    pub tags: Vec<String>,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// Values of `ARG`s.
    pub arguments: BTreeMap<String, String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// The stage; the last one when it is empty.
    pub target: String,
    /// `os/architecture[/variant]`, or nothing.
    pub platform: String,
    /// The network of steps that ask for none.
    pub network: String,
    /// Nothing that is remembered counts.
    pub no_cache: bool,
    /// Stages for which nothing that is remembered counts.
    pub no_cache_stages: Vec<String>,
    /// Ask registries for newer base images.
    pub pull: bool,
    /// Answer with the image's id alone.
    pub quiet: bool,
    /// Values in base64, by id.
    pub secrets: BTreeMap<String, String>,
    /// Credentials by registry.
    pub credentials: BTreeMap<String, AuthConfig>,
}

impl Client {
    /// Builds an image of the archive of a context. Failures after the first message come as a message.
    pub async fn build(&self, context: Upload, options: &BuildQuery) -> Result<Progress> {
        let document = |map: &BTreeMap<String, String>| {
            let request = "POST /build".to_owned();
            serde_json::to_string(map).map_err(|source| Error::Body { request, source })
        };
        let mut query = Query::default()
            .text("version", "1")
            .text("dockerfile", &options.dockerfile)
            .text("buildargs", &document(&options.arguments)?)
            .text("labels", &document(&options.labels)?)
            .text("target", &options.target)
            .text("platform", &options.platform)
            .text("networkmode", &options.network);
        for tag in &options.tags {
            query = query.text("t", tag);
        }
        for stage in &options.no_cache_stages {
            query = query.text("nocachefilter", stage);
        }
        for (name, is_set) in
            [("nocache", options.no_cache), ("pull", options.pull), ("q", options.quiet)]
        {
            if is_set {
                query = query.text(name, "1");
            }
        }
        let mut call = Call::post(format!("/build{}", query.as_str())).archive(context);
        if !options.credentials.is_empty() {
            call = call.header("X-Registry-Config", &options.credentials)?;
        }
        if !options.secrets.is_empty() {
            call = call.header("X-Gantry-Secrets", &options.secrets)?;
        }
        Ok(Progress::of(self.stream(call).await?))
    }

    /// Forgets what builds remember; with `all`, also what their cache mounts hold.
    pub async fn build_prune(&self, all: bool) -> Result<BuildPruned> {
        let query = Query::default().text("all", if all { "1" } else { "0" });
        self.json(Call::post(format!("/build/prune{}", query.as_str()))).await
    }
}
