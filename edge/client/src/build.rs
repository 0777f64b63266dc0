//! Calls for builds.

mod limits;
mod results;
mod sources;

use std::collections::BTreeMap;

use gantry_api::build::{BuildDetails, BuildHistoryPruned, BuildPruned, BuildSummary};
use gantry_api::system::AuthConfig;
use gantry_types::Filters;

use crate::body::BodyReader;
use crate::client::{Call, Client};
use crate::image::Progress;
use crate::query::{Query, segment};
use crate::upload::Upload;
use crate::{Error, Result};

pub use limits::BuildLimits;
pub use results::BuildResults;
pub use sources::BuildSources;

/// What ids of builds are called.
const WHAT: &str = "build ID";

/// What is built, and how.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a build has as many switches")]
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
    /// Make one layer of all that is put above the base image.
    pub is_squashed: bool,
    /// Answer with the image's id alone.
    pub quiet: bool,
    /// The directory that is the context, where the daemon reads it in place: this process's descriptor of it, its device and its
    /// inode, with colons between them.
    pub directory: String,
    /// What the folder that is the context is called, of which only what changed is sent; or nothing.
    pub mirrored: String,
    /// Keep a command that fails as an image, which the message of the failure names.
    pub keeps_failure: bool,
    /// Tell of each step, by messages that carry a `BuildStatus`, and not in lines.
    pub steps: bool,
    /// Values in base64, by id.
    pub secrets: BTreeMap<String, String>,
    /// Credentials by registry.
    pub credentials: BTreeMap<String, AuthConfig>,
    /// What becomes of the result.
    pub results: BuildResults,
    /// What there is beside the context.
    pub sources: BuildSources,
    /// What commands may use.
    pub limits: BuildLimits,
}

/// What of what builds remember is to be forgotten.
#[derive(Debug, Clone, Default)]
pub struct BuildPruneQuery {
    /// What cache mounts hold, too.
    pub all: bool,
    /// Only what fits.
    pub filters: Filters,
    /// So many bytes may stay in any case.
    pub reserved_bytes: Option<u64>,
    /// More than so many bytes must not stay.
    pub max_used_bytes: Option<u64>,
    /// So many bytes of the disk are to be free in the end.
    pub min_free_bytes: Option<u64>,
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
        for (name, is_set) in [
            ("nocache", options.no_cache),
            ("pull", options.pull),
            ("squash", options.is_squashed),
            ("q", options.quiet),
            ("keepfailure", options.keeps_failure),
        ] {
            if is_set {
                query = query.text(name, "1");
            }
        }
        if options.steps {
            query = query.text("progress", "steps");
        }
        for (name, value) in [("directory", &options.directory), ("mirrored", &options.mirrored)] {
            if !value.is_empty() {
                query = query.text(name, value);
            }
        }
        let query = options.limits.add_to(query);
        let query = options.sources.add_to(options.results.add_to(query)?)?.text("exchange", "1");
        let mut call = Call::post(format!("/build{}", query.as_str())).archive(context);
        if !options.credentials.is_empty() {
            call = call.header("X-Registry-Config", &options.credentials)?;
        }
        if !options.secrets.is_empty() {
            call = call.header("X-Gantry-Secrets", &options.secrets)?;
        }
        Ok(Progress::of(self.stream(call).await?))
    }

    /// Forgets what builds remember.
    pub async fn build_prune(&self, options: &BuildPruneQuery) -> Result<BuildPruned> {
        let query = Query::default()
            .text("all", if options.all { "1" } else { "0" })
            .filters(&options.filters)
            .maybe("reserved-space", options.reserved_bytes)
            .maybe("max-used-space", options.max_used_bytes)
            .maybe("min-free-space", options.min_free_bytes);
        self.json(Call::post(format!("/build/prune{}", query.as_str()))).await
    }

    /// Builds that were, the latest first.
    pub async fn build_history(&self) -> Result<Vec<BuildSummary>> {
        self.json(Call::get("/gantry/builds".to_owned())).await
    }

    /// One of them with its steps.
    pub async fn build_history_inspect(&self, id: &str) -> Result<BuildDetails> {
        self.json(Call::get(format!("/gantry/builds/{}", segment(WHAT, id)?))).await
    }

    /// What its commands wrote.
    pub async fn build_history_logs(&self, id: &str) -> Result<BodyReader> {
        self.stream(Call::get(format!("/gantry/builds/{}/logs", segment(WHAT, id)?))).await
    }

    /// Forgets one.
    pub async fn build_history_remove(&self, id: &str) -> Result<()> {
        let path = format!("/gantry/builds/{}", segment(WHAT, id)?);
        self.whole(Call::delete(path)).await.map(drop)
    }

    /// Forgets all that are over.
    pub async fn build_history_prune(&self) -> Result<BuildHistoryPruned> {
        self.json(Call::post("/gantry/builds/prune".to_owned())).await
    }
}
