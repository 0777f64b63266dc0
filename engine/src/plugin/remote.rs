//! A plugin in a registry: its manifest and its configuration.

use gantry_api::plugin::PluginConfig;
use gantry_oci::image::media_type;
use gantry_plugins::managed::{PLUGIN_CONFIG, PluginManifest, parse};
use gantry_registry_client::{Access, Credentials, Document, Repository};
use gantry_types::ImageReference;

use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::image;

/// Where a plugin is.
#[derive(Debug, Clone)]
pub struct RemotePlugin {
    /// With a tag or a digest.
    pub reference: ImageReference,
    /// For the registry.
    pub credentials: Option<Credentials>,
}

impl RemotePlugin {
    /// The repository, for looking and fetching.
    pub(super) fn repository(&self, engine: &Engine) -> Repository {
        engine.live.registries().repository(&self.reference, self.credentials.clone(), Access::Pull)
    }
}

/// What a name leads to. Blocks.
pub(super) struct Found {
    pub(super) document: Document,
    pub(super) manifest: PluginManifest,
    pub(super) config: PluginConfig,
}

/// Asks the registry, once the signature policy lets it in. Blocks.
pub(super) fn find(
    engine: &Engine,
    repository: &Repository,
    remote: &RemotePlugin,
) -> Result<Found> {
    let reference = &remote.reference;
    let wanted = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or("latest").to_owned(),
    };
    let document = repository.manifest(&wanted)?;
    let name = reference.familiar();
    let bad = |error| Error::invalid(format!("{name} is no plugin: {error}"));
    if media_type::is_index(&document.media_type) {
        return Err(Error::invalid(format!("{name} is no plugin: it is an index of images")));
    }
    let manifest: PluginManifest = serde_json::from_slice(&document.bytes).map_err(bad)?;
    let kind = manifest.config.media_type.as_str();
    if kind != PLUGIN_CONFIG {
        let sort = if media_type::is_config(kind) { "(image)" } else { "" };
        // Docker's words, which its command line looks for.
        return Err(Error::invalid(format!(
            "Encountered remote {kind:?}{sort} when fetching 'plugin' {name}"
        )));
    }
    if manifest.layers.len() != 1 {
        return Err(Error::invalid(format!(
            "{name} is no plugin: it has {} layers, and plugins have one",
            manifest.layers.len()
        )));
    }
    image::judge(engine, repository, reference, std::slice::from_ref(&document.digest))?;
    let bytes = repository.document_blob(&manifest.config.digest, manifest.config.size)?;
    Ok(Found { config: parse(&bytes)?, document, manifest })
}
