//! `df`: what takes how much of the disk.

use gantry_api::image::ImageSummary;
use gantry_api::system::{DiskUsage, Usage};

use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, build, container, image, volume};

/// Which kinds to count; none of them means all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each kind of object")]
pub struct DiskUsageOptions {
    pub images: bool,
    pub containers: bool,
    pub volumes: bool,
    pub build_cache: bool,
}

impl DiskUsageOptions {
    /// Every kind.
    pub const ALL: Self = Self { images: true, containers: true, volumes: true, build_cache: true };

    /// The kinds of these names; all of them when none is named.
    ///
    /// # Errors
    /// A name is none of a kind.
    pub fn named(names: &[String]) -> Result<Self> {
        let mut options = if names.is_empty() { Self::ALL } else { Self::default() };
        for name in names {
            match name.as_str() {
                "image" => options.images = true,
                "container" => options.containers = true,
                "volume" => options.volumes = true,
                "build-cache" => options.build_cache = true,
                other => return Err(Error::invalid(format!("unknown object type: {other}"))),
            }
        }
        Ok(options)
    }
}

/// Counts what each kind takes.
pub async fn df(engine: &Engine, options: DiskUsageOptions) -> Result<DiskUsage> {
    let mut usage = DiskUsage::default();
    if options.build_cache {
        let engine = engine.clone();
        usage.build_cache_usage = Some(block(move || build::disk_usage(&engine)).await?);
    }
    if options.containers {
        let all =
            container::ListOptions { all: true, size: true, ..container::ListOptions::default() };
        let rows = container::list(engine, all).await?;
        let rows = rows.iter().map(|row| (**row).clone()).collect();
        usage.container_usage = Some(Usage::of_containers(rows));
    }
    if options.volumes {
        let engine = engine.clone();
        let volumes = block(move || volume::df::volumes(&engine)).await;
        usage.volume_usage = Some(Usage::of_volumes(volumes));
    }
    if options.images {
        let engine = engine.clone();
        usage.image_usage = Some(block(move || images(&engine)).await?);
    }
    Ok(usage)
}

fn images(engine: &Engine) -> Result<Usage<ImageSummary>> {
    let images = engine.images.list()?;
    let sharing = image::Sharing::of(engine, &images)?;
    let users = image::Users::of(engine);
    let families = image::Families::of(&images);
    let row = |image| ImageSummary {
        containers: families.containers(image, &users),
        shared_size: sharing.shared_bytes(image),
        ..image::summary(image)
    };
    // The blobs lie beside the layers, as far as they have not gone.
    let blobs = i64::try_from(engine.images.stored_bytes()?).unwrap_or(i64::MAX);
    let total = sharing.total_bytes().saturating_add(blobs);
    let rows = images.iter().filter(|image| !image.is_sibling()).map(row);
    Ok(Usage::of_images(rows.collect(), total))
}
