//! `inspect`: everything about one image.

use gantry_api::container::GraphDriver;
use gantry_api::image::{ImageInspect, ImageMetadata, RootFs};
use gantry_images::Image;
use gantry_types::Timestamp;

use super::{Users, manifests, resolve};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;

/// Tells everything about the image that `text` means, and what of it is here for which platform.
pub async fn inspect_manifests(engine: &Engine, text: &str) -> Result<ImageInspect> {
    let (engine, text) = (engine.clone(), text.to_owned());
    block(move || {
        let all = engine.images.resolve_all(&text)?;
        let family: Vec<&Image> = all.iter().collect();
        let manifests = manifests::of(&engine, &family, &Users::of(&engine), false);
        Ok(ImageInspect { manifests, ..document(&all[0]) })
    })
    .await
}

/// Tells everything about the image that `text` means, for `platform` where that matters.
pub async fn inspect(engine: &Engine, text: &str, platform: Option<&str>) -> Result<ImageInspect> {
    let (engine, text) = (engine.clone(), text.to_owned());
    let platform = platform.map(str::to_owned);
    let image = block(move || resolve::of_platform(&engine, &text, platform.as_deref())).await?;
    Ok(document(&image))
}

fn document(image: &Image) -> ImageInspect {
    let config = &image.config;
    ImageInspect {
        id: image.id.to_string(),
        repo_tags: image.repo_tags(),
        repo_digests: image.repo_digests(),
        comment: config.comment.clone(),
        created: image.created().map(|moment| moment.to_string()).unwrap_or_default(),
        docker_version: config.docker_version.clone(),
        author: config.author.clone(),
        config: resolve::to_api(image),
        architecture: config.platform.architecture.clone(),
        variant: config.platform.variant.clone().unwrap_or_default(),
        os: config.platform.os.clone(),
        os_version: config.platform.os_version.clone().unwrap_or_default(),
        size: i64::try_from(image.size_bytes).unwrap_or(i64::MAX),
        graph_driver: GraphDriver { name: "overlay2".to_owned(), ..GraphDriver::default() },
        root_fs: RootFs {
            r#type: "layers".to_owned(),
            layers: image.diff_ids().iter().map(ToString::to_string).collect(),
        },
        metadata: ImageMetadata { last_tag_time: Timestamp::ZERO.to_string() },
        identity: manifests::identity(image),
        descriptor: Some(manifests::target(image)),
        ..ImageInspect::default()
    }
}
