//! The calls on images.

use gantry_api::image::{
    DeleteItem, DistributionInspect, DistributionPushRequest, DistributionPushed, HistoryItem,
    ImageInspect, ImageLayers, ImageSummary, ImagesPruned, LayerFiles, ProgressMessage,
    SearchResult,
};
use gantry_api::system::AuthConfig;
use gantry_types::Filters;

use crate::Result;
use crate::body::{BodyReader, JsonLines};
use crate::client::{Call, Client};
use crate::error::Error;
use crate::query::{Query, image_path};
use crate::upload::Upload;

/// Which images a list holds.
#[derive(Debug, Clone, Default)]
pub struct ImageListQuery {
    /// Those without a name that others are built on too.
    pub all: bool,
    /// Digests too.
    pub digests: bool,
    /// What is here for which platform.
    pub manifests: bool,
    pub filters: Filters,
}

/// Where an imported image comes from and what it becomes.
#[derive(Debug, Clone, Default)]
pub struct ImportQuery {
    /// `-` for the body, or a URL that the daemon fetches.
    pub source: String,
    /// The name without a tag; empty leaves the image unnamed.
    pub repository: String,
    pub tag: String,
    pub message: String,
    /// Instructions as a Dockerfile has them: `CMD ["sh"]`.
    pub changes: Vec<String>,
    pub platform: String,
}

/// Which image to fetch.
#[derive(Debug, Clone, Default)]
pub struct PullQuery {
    /// The name without a tag.
    pub repository: String,
    /// A tag or a digest; empty for every tag.
    pub tag: String,
    /// `os/architecture[/variant]`; empty for the daemon's own.
    pub platform: String,
    /// For the registry.
    pub credentials: Option<AuthConfig>,
}

/// Which image to send.
#[derive(Debug, Clone, Default)]
pub struct PushQuery {
    /// The name without a tag.
    pub repository: String,
    pub tag: String,
    /// `gzip`, `zstd` or `none`: what becomes of layers that are not compressed; empty for gzip.
    pub compression: String,
    /// An OCI platform in JSON that the image must be for; empty for any.
    pub platform: String,
    /// For the registry.
    pub credentials: Option<AuthConfig>,
}

/// What an image's removal may do.
#[derive(Debug, Clone, Default)]
pub struct ImageRemoveQuery {
    /// Take all names of an image away, and the image of a stopped container.
    pub force: bool,
    /// Leave parents without a name.
    pub keep_parents: bool,
    /// Only what is for these; empty for all of it.
    pub platforms: Vec<String>,
}

/// The messages of a long operation.
#[derive(Debug)]
pub struct Progress(JsonLines<ProgressMessage>);

impl Progress {
    pub(crate) fn of(body: BodyReader) -> Self {
        Self(body.json_lines())
    }

    /// The next message, or `None` when the operation is done; a failure is an error here.
    pub async fn next(&mut self) -> Result<Option<ProgressMessage>> {
        match self.0.next().await? {
            Some(message) if !message.error.is_empty() => {
                Err(Error::Operation { message: message.error })
            }
            Some(ProgressMessage { error_detail: Some(detail), .. }) => {
                Err(Error::Operation { message: detail.message })
            }
            other => Ok(other),
        }
    }
}

impl Client {
    /// The images that `options` ask for.
    pub async fn image_list(&self, options: &ImageListQuery) -> Result<Vec<ImageSummary>> {
        let query = Query::default()
            .flag("all", options.all)
            .flag("digests", options.digests)
            .flag("manifests", options.manifests)
            .filters(&options.filters);
        self.json(Call::get(format!("/images/json{}", query.as_str()))).await
    }

    /// Everything about one image.
    pub async fn image_inspect(&self, name: &str) -> Result<ImageInspect> {
        self.json(Call::get(format!("/images/{}/json", image_path(name)?))).await
    }

    /// The same as [`Self::image_inspect`], as the daemon wrote it.
    pub async fn image_inspect_raw(&self, name: &str, platform: &str) -> Result<String> {
        let query = Query::default().platform("platform", platform);
        self.text(Call::get(format!("/images/{}/json{}", image_path(name)?, query.as_str()))).await
    }

    /// The steps of an image's making, newest first.
    pub async fn image_history(&self, name: &str, platform: &str) -> Result<Vec<HistoryItem>> {
        let query = Query::default().platform("platform", platform);
        let path = format!("/images/{}/history{}", image_path(name)?, query.as_str());
        self.json(Call::get(path)).await
    }

    /// What each layer of an image adds, changes and wastes.
    pub async fn image_layers(&self, name: &str) -> Result<ImageLayers> {
        self.json(Call::get(format!("/gantry/images/{}/layers", image_path(name)?))).await
    }

    /// The entries of one layer; `number` counts from 1, the lowest.
    pub async fn image_layer_files(&self, name: &str, number: usize) -> Result<LayerFiles> {
        let query = Query::default().maybe("layer", Some(number));
        let path = format!("/gantry/images/{}/files{}", image_path(name)?, query.as_str());
        self.json(Call::get(path)).await
    }

    /// Gives an image one more name.
    pub async fn image_tag(&self, source: &str, repository: &str, tag: &str) -> Result<()> {
        let query = Query::default().text("repo", repository).text("tag", tag);
        let path = format!("/images/{}/tag{}", image_path(source)?, query.as_str());
        self.whole(Call::post(path)).await.map(drop)
    }

    /// Takes a name away, and the image with its last one.
    pub async fn image_remove(
        &self,
        name: &str,
        options: &ImageRemoveQuery,
    ) -> Result<Vec<DeleteItem>> {
        let mut query =
            Query::default().flag("force", options.force).flag("noprune", options.keep_parents);
        for platform in &options.platforms {
            query = query.platform("platforms", platform);
        }
        self.json(Call::delete(format!("/images/{}{}", image_path(name)?, query.as_str()))).await
    }

    /// Removes all images that nobody needs and that fit.
    pub async fn image_prune(&self, filters: &Filters) -> Result<ImagesPruned> {
        let query = Query::default().filters(filters);
        self.json(Call::post(format!("/images/prune{}", query.as_str()))).await
    }

    /// Loads the images of an archive. Failures after the first message come as a message.
    pub async fn image_load(
        &self,
        archive: Upload,
        quiet: bool,
        platforms: &[String],
    ) -> Result<Progress> {
        let mut query = Query::default().text("quiet", if quiet { "1" } else { "0" });
        for platform in platforms {
            query = query.platform("platform", platform);
        }
        let call = Call::post(format!("/images/load{}", query.as_str())).archive(archive);
        Ok(Progress(self.stream(call).await?.json_lines()))
    }

    /// Makes an image of a file tree in an archive.
    pub async fn image_import(&self, archive: Upload, options: &ImportQuery) -> Result<Progress> {
        let mut query = Query::default()
            .text("fromSrc", &options.source)
            .text("repo", &options.repository)
            .text("tag", &options.tag)
            .text("message", &options.message)
            .text("platform", &options.platform);
        for change in &options.changes {
            query = query.text("changes", change);
        }
        let call = Call::post(format!("/images/create{}", query.as_str())).archive(archive);
        Ok(Progress(self.stream(call).await?.json_lines()))
    }

    /// An archive of these images, for these platforms or for all that are here.
    pub async fn image_save(&self, names: &[String], platforms: &[String]) -> Result<BodyReader> {
        let mut query = Query::default();
        for platform in platforms {
            query = query.platform("platform", platform);
        }
        for name in names {
            query = query.text("names", name);
        }
        self.stream(Call::get(format!("/images/get{}", query.as_str()))).await
    }

    /// Has the daemon fetch an image from its registry.
    pub async fn image_pull(&self, options: &PullQuery) -> Result<Progress> {
        let query = Query::default()
            .text("fromImage", &options.repository)
            .text("tag", &options.tag)
            .text("platform", &options.platform);
        let call = Call::post(format!("/images/create{}", query.as_str()));
        let call = call.registry_auth(options.credentials.as_ref())?;
        Ok(Progress(self.stream(call).await?.json_lines()))
    }

    /// Where a name leads in its registry, with the documents there.
    pub async fn distribution(
        &self,
        name: &str,
        insecure: bool,
        credentials: Option<&AuthConfig>,
    ) -> Result<DistributionInspect> {
        let query = Query::default().flag("documents", true).flag("insecure", insecure);
        let path = format!("/distribution/{}/json{}", image_path(name)?, query.as_str());
        self.json(Call::get(path).registry_auth(credentials)?).await
    }

    /// Has the daemon put a list of manifests under a name in its registry.
    pub async fn distribution_push(
        &self,
        name: &str,
        request: &DistributionPushRequest,
        (insecure, credentials): (bool, Option<&AuthConfig>),
    ) -> Result<DistributionPushed> {
        let query = Query::default().flag("insecure", insecure);
        let path = format!("/gantry/distribution/{}/push{}", image_path(name)?, query.as_str());
        self.json(Call::post(path).json(request)?.registry_auth(credentials)?).await
    }

    /// Repositories that a registry finds.
    pub async fn image_search(
        &self,
        term: &str,
        limit: Option<u32>,
        filters: &Filters,
        credentials: Option<&AuthConfig>,
    ) -> Result<Vec<SearchResult>> {
        let query = Query::default().text("term", term).maybe("limit", limit).filters(filters);
        let call = Call::get(format!("/images/search{}", query.as_str()));
        self.json(call.registry_auth(credentials)?).await
    }

    /// Has the daemon send an image to its registry.
    pub async fn image_push(&self, options: &PushQuery) -> Result<Progress> {
        let query = Query::default()
            .text("tag", &options.tag)
            .text("compression", &options.compression)
            .text("platform", &options.platform);
        let path = image_path(&options.repository)?;
        let call = Call::post(format!("/images/{path}/push{}", query.as_str()));
        let call = call.registry_auth(options.credentials.as_ref())?;
        Ok(Progress(self.stream(call).await?.json_lines()))
    }
}
