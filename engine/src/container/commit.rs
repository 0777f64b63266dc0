//! `commit`: an image of what a container wrote and of what it was started with.

use std::io::BufWriter;
use std::sync::Arc;

use gantry_api::container::{Config, HealthConfig};
use gantry_images::{CommitOptions, ImageId, Loaded};
use gantry_oci::image::{ContainerConfig, Healthcheck};
use gantry_types::ImageReference;

use super::announce;
use super::stillness::Stillness;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::ContainerRecord;
use crate::{Result, housekeeping, image, plan};

/// Bytes of an archive that are handed on at once.
const PIECE: usize = 256 << 10;

/// What the image is called and says.
#[derive(Debug, Clone, Default)]
pub struct CommitRequest {
    /// Repository and tag as the API has them; an image without a name may be made.
    pub repository: String,
    pub tag: String,
    pub author: String,
    pub message: String,
    /// Freeze the container's processes while its files are read.
    pub pause: bool,
    /// Dockerfile instructions for its configuration.
    pub changes: Vec<String>,
    /// What it is to run; what is left out is the container's.
    pub config: Option<Config>,
}

/// Makes an image of a container; returns its id.
pub async fn commit(engine: &Engine, container: &str, request: CommitRequest) -> Result<String> {
    let reference = image::reference(&request.repository, &request.tag)?;
    if reference.as_ref().is_some_and(|reference| reference.digest().is_some()) {
        return Err(Error::invalid("cannot import digest reference"));
    }
    let handle = engine.container(container)?;
    let record = handle.snapshot().record;
    let pauses = request.pause && record.state.is_running();
    let still = if pauses { Some(Stillness::of(&handle).await?) } else { None };
    let name = reference.as_ref().map(ImageReference::familiar).unwrap_or_default();
    let comment = request.message.clone();
    let taking = (engine.clone(), Arc::clone(&record));
    let taken = image::intake(move || take_in(&taking.0, &taking.1, request, reference)).await;
    if let Some(still) = still {
        still.end().await?;
    }
    let loaded = taken?;
    let image = loaded.id.clone();
    image::unpack::unpack(engine, vec![loaded]).await?;
    if !name.is_empty() {
        image::told::happened(engine, "tag", &image, &name);
    }
    let id = image.to_string();
    let event = announce::event(&record, "commit").with("imageID", id.as_str());
    engine.events.tell(event.with("imageRef", name).with("comment", comment));
    housekeeping::flush_soon(engine);
    Ok(id)
}

fn take_in(
    engine: &Engine,
    record: &Arc<ContainerRecord>,
    request: CommitRequest,
    reference: Option<ImageReference>,
) -> Result<Loaded> {
    let own = image_config(&record.plan.config);
    let parent: ImageId = record.image.id.to_string().parse().map_err(|error| {
        Error::invalid(format!("container {} has no usable image: {error}", record.id))
    })?;
    let options = CommitOptions {
        parent,
        reference,
        config: request.config.as_ref().map_or_else(|| own.clone(), image_config),
        container: own,
        changes: request.changes,
        author: request.author,
        message: request.message,
        created: gantry_sys::clock::now(),
    };
    engine.images.commit_container(options, |writer| {
        let points = plan::mount_points(&record.plan);
        let points = points.iter().map(String::as_bytes);
        let written =
            engine.layers.look_at_written(record.id.as_str(), &record.image.chain, points)?;
        Ok(written.archive(BufWriter::with_capacity(PIECE, writer))?)
    })
}

/// What of a container's settings an image keeps.
fn image_config(config: &Config) -> ContainerConfig {
    let healthcheck = |check: &HealthConfig| Healthcheck {
        test: check.test.clone(),
        interval: check.interval,
        timeout: check.timeout,
        start_period: check.start_period,
        start_interval: check.start_interval,
        retries: check.retries,
    };
    ContainerConfig {
        user: config.user.clone(),
        exposed_ports: config.exposed_ports.clone(),
        env: config.env.clone(),
        entrypoint: config.entrypoint.clone(),
        cmd: config.cmd.clone(),
        args_escaped: config.args_escaped,
        volumes: config.volumes.clone(),
        working_dir: config.working_dir.clone(),
        labels: config.labels.clone(),
        stop_signal: config.stop_signal.clone(),
        stop_timeout: config.stop_timeout,
        healthcheck: config.healthcheck.as_ref().map(healthcheck),
        on_build: config.on_build.clone(),
        shell: config.shell.clone(),
        ..ContainerConfig::default()
    }
}
