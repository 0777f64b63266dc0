//! From what a user calls an image to what a container needs of it.

use gantry_api::container::HealthConfig;
use gantry_api::image::ImageConfig;
use gantry_images::Image;
use gantry_oci::image::{ContainerConfig, InvalidPlatform, Platform};

use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::ImageUsed;

/// The image that `text` means, with the settings that it brings. Blocks.
pub(crate) fn for_container(
    engine: &Engine,
    text: &str,
    platform: Option<&str>,
) -> Result<(ImageUsed, ImageConfig)> {
    if text.is_empty() {
        return Err(Error::invalid("no image specified"));
    }
    let image = of_platform(engine, text, platform.filter(|wanted| !wanted.is_empty()))?;
    let defaults = to_api(&image);
    Ok((ImageUsed { id: image.id.digest().clone(), chain: image.diff_ids().to_vec() }, defaults))
}

/// The image that `text` means, for `platform` where that matters. Blocks.
pub(super) fn of_platform(engine: &Engine, text: &str, platform: Option<&str>) -> Result<Image> {
    let Some(wanted) = platform else { return Ok(engine.images.resolve(text)?) };
    let wanted = parse_platform(wanted)?;
    let all = engine.images.resolve_all(text)?;
    choose(text, &all, &wanted).cloned()
}

/// Of what is here for several platforms, the first being what the name leads to, the one for `wanted`.
pub(crate) fn choose<'a>(name: &str, all: &'a [Image], wanted: &Platform) -> Result<&'a Image> {
    let is_exact = |image: &&Image| image.config.platform.variant == wanted.variant;
    let fitting = || all.iter().filter(|image| is_platform(&image.config.platform, wanted));
    match (fitting().find(is_exact).or_else(|| fitting().next()), all) {
        (Some(image), _) => Ok(image),
        (None, [first, ..]) => {
            check_platform(name, &first.config.platform, wanted)?;
            Ok(first)
        }
        (None, []) => Err(Error::invalid(format!("{name} means no image"))),
    }
}

/// The image's settings as the API writes them.
pub(super) fn to_api(image: &Image) -> ImageConfig {
    let config: &ContainerConfig = &image.config.config;
    ImageConfig {
        user: config.user.clone(),
        exposed_ports: config.exposed_ports.clone(),
        env: config.env.clone(),
        entrypoint: config.entrypoint.clone(),
        cmd: config.cmd.clone(),
        volumes: config.volumes.clone(),
        working_dir: config.working_dir.clone(),
        labels: config.labels.clone(),
        stop_signal: config.stop_signal.clone(),
        args_escaped: config.args_escaped,
        healthcheck: config.healthcheck.as_ref().map(|check| HealthConfig {
            test: check.test.clone(),
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            start_interval: check.start_interval,
            retries: check.retries,
        }),
        on_build: config.on_build.clone(),
        shell: config.shell.clone(),
    }
}

/// `os/arch[/variant]` or `arch`, with the kernel's names for architectures taken as well.
pub(crate) fn parse_platform(text: &str) -> Result<Platform> {
    text.parse().map_err(|error: InvalidPlatform| Error::invalid(error.to_string()))
}

/// Refuses an image that is for another platform.
pub(super) fn check_platform(image: &str, own: &Platform, wanted: &Platform) -> Result<()> {
    if is_platform(own, wanted) {
        return Ok(());
    }
    let (wanted, own) = (wanted.to_string(), own.to_string());
    Err(Error::WrongPlatform { image: image.to_owned(), wanted, own })
}

/// Whether an image's platform is the wanted one; a variant counts only where both name one.
pub(super) fn is_platform(own: &Platform, wanted: &Platform) -> bool {
    let variants = own.variant.as_ref().zip(wanted.variant.as_ref());
    own.os == wanted.os
        && own.architecture == wanted.architecture
        && variants.is_none_or(|(own, wanted)| own == wanted)
}
