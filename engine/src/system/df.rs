//! `df`: what takes how much of the disk.

use gantry_api::image::ImageSummary;
use gantry_api::system::DiskUsage;

use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, container, image};

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

/// Counts what images and containers take. There are no volumes and no build cache yet.
pub async fn df(engine: &Engine, options: DiskUsageOptions) -> Result<DiskUsage> {
    let mut usage = DiskUsage {
        volumes: options.volumes.then(Vec::new),
        build_cache: options.build_cache.then(Vec::new),
        ..DiskUsage::default()
    };
    if options.containers {
        let all =
            container::ListOptions { all: true, size: true, ..container::ListOptions::default() };
        usage.containers = Some(container::list(engine, all).await?);
    }
    if options.images {
        let engine = engine.clone();
        let (images, layers_size) = block(move || images(&engine)).await?;
        (usage.images, usage.layers_size) = (Some(images), layers_size);
    }
    Ok(usage)
}

fn images(engine: &Engine) -> Result<(Vec<ImageSummary>, i64)> {
    let images = engine.images.list()?;
    let sharing = image::Sharing::of(engine, &images)?;
    let snapshots = engine.containers.snapshots();
    let row = |image: &gantry_images::Image| {
        let users = snapshots.iter().filter(|one| one.record.image.id == *image.id.digest());
        ImageSummary {
            containers: i64::try_from(users.count()).unwrap_or(i64::MAX),
            shared_size: sharing.shared_bytes(image),
            ..image::summary(image)
        }
    };
    Ok((images.iter().map(row).collect(), sharing.total_bytes()))
}
