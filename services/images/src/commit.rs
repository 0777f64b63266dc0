//! Making an image of a container: the image that it was made from, one more layer, and the settings that it ran with.

use gantry_oci::image::{ContainerConfig, Descriptor, History, ImageConfig, media_type};
use gantry_types::{Algorithm, Digest, ImageReference, Timestamp};

use crate::blobs::BlobWriter;
use crate::import::changes;
use crate::load::contents::Contents;
use crate::{Error, ImageId, Images, Loaded};

/// Two blocks of zeros: an archive with nothing in it. Such a layer is left out, as Docker does.
const EMPTY_ARCHIVE: &str =
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// What the image is to be.
#[derive(Debug, Clone)]
pub struct CommitOptions {
    /// The image that the container was made from.
    pub parent: ImageId,
    /// Its name, if it gets one.
    pub reference: Option<ImageReference>,
    /// What it is to run. What is left out here is taken from `container`, after `changes`.
    pub config: ContainerConfig,
    /// What the container runs.
    pub container: ContainerConfig,
    /// Dockerfile instructions that change `config`; see [`crate::ImportOptions::changes`].
    pub changes: Vec<String>,
    /// Who made it.
    pub author: String,
    /// A remark.
    pub message: String,
    /// When it is made.
    pub created: Timestamp,
}

impl Images {
    /// Makes an image of a container. `write_layer` writes the archive of what the container changed.
    ///
    /// # Errors
    /// The parent is not here any more, a change is not understood, or a step failed. Nothing is left then.
    pub fn commit_container<E: From<Error>>(
        &self,
        options: CommitOptions,
        write_layer: impl FnOnce(&mut BlobWriter) -> Result<(), E>,
    ) -> Result<Loaded, E> {
        // What is wrong with the request is said before anything is read.
        let mut config = options.config.clone();
        changes::apply_all(&mut config, &options.changes)?;
        complete(&mut config, &options.container);
        let parent = self.base(&options.parent)?;
        parent.check_room()?;
        let mut writer = BlobWriter::new(&self.store, Algorithm::Sha256)?;
        write_layer(&mut writer)?;
        let layer = writer.finish();
        let mut contents = Contents::empty(&self.store);
        let mut layers = parent.layers;
        for (_, blob) in &layers {
            contents.add_known(&blob.digest, blob.size);
        }
        let is_empty = layer.digest.as_str() == EMPTY_ARCHIVE;
        if !is_empty {
            let digest = layer.digest.clone();
            let blob = Descriptor::new(media_type::OCI_LAYER, digest.clone(), layer.size_bytes);
            contents.stage(layer);
            layers.push((digest, blob));
        }
        let config = child(parent.config, config, &options, (is_empty, &layers));
        let references = options.reference.into_iter().collect();
        Ok(self.assemble(config, (layers, contents), references)?)
    }
}

/// The configuration document: the parent's with another remark, one more step, and the layers that are now there.
fn child(
    parent: ImageConfig,
    config: ContainerConfig,
    options: &CommitOptions,
    (is_empty, layers): (bool, &[(Digest, Descriptor)]),
) -> ImageConfig {
    let created = Some(options.created.to_string());
    let mut image = ImageConfig {
        build_cache: None,
        created: created.clone(),
        author: options.author.clone(),
        comment: options.message.clone(),
        config,
        docker_version: String::new(),
        ..parent
    };
    image.rootfs.diff_ids = layers.iter().map(|(diff_id, _)| diff_id.clone()).collect();
    image.history.push(History {
        created,
        created_by: options.container.cmd.clone().unwrap_or_default().join(" "),
        author: options.author.clone(),
        comment: options.message.clone(),
        empty_layer: is_empty,
    });
    image
}

/// Fills in what the container has, by Docker's rules for a commit.
fn complete(config: &mut ContainerConfig, container: &ContainerConfig) {
    let text = |own: &mut String, other: &String| {
        if own.is_empty() {
            own.clone_from(other);
        }
    };
    text(&mut config.user, &container.user);
    text(&mut config.working_dir, &container.working_dir);
    text(&mut config.stop_signal, &container.stop_signal);
    config.exposed_ports.extend(container.exposed_ports.iter().cloned());
    config.volumes.extend(container.volumes.iter().cloned());
    for entry in &container.env {
        let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
        if config.env.iter().all(|own| name(own) != name(entry)) {
            config.env.push(entry.clone());
        }
    }
    for (name, value) in &container.labels {
        config.labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    // A command of the container's belongs to its entrypoint.
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd.clone_from(&container.cmd);
            config.args_escaped = container.args_escaped;
        }
        if config.entrypoint.is_none() {
            config.entrypoint.clone_from(&container.entrypoint);
        }
    }
    match (&mut config.healthcheck, &container.healthcheck) {
        (None, other) => config.healthcheck.clone_from(other),
        (Some(own), Some(other)) => {
            if own.test.is_empty() {
                own.test.clone_from(&other.test);
            }
            for (own, other) in [
                (&mut own.interval, other.interval),
                (&mut own.timeout, other.timeout),
                (&mut own.start_period, other.start_period),
                (&mut own.start_interval, other.start_interval),
                (&mut own.retries, other.retries),
            ] {
                if *own == 0 {
                    *own = other;
                }
            }
        }
        (Some(_), None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ContainerConfig {
        serde_json::from_str(text).unwrap()
    }

    #[track_caller]
    fn check(own: &str, container: &str, expected: &str) {
        let mut completed = config(own);
        complete(&mut completed, &config(container));
        assert_eq!(completed, config(expected));
    }

    #[test]
    fn what_is_left_out_is_the_containers() {
        let container = r#"{"User":"a","Env":["A=1","B=2"],"Cmd":["sh"],"Entrypoint":["e"],"WorkingDir":"/w",
            "Labels":{"l":"1","m":"2"},"Volumes":{"/v":{}},"ExposedPorts":{"1/tcp":{}},"StopSignal":"HUP",
            "Healthcheck":{"Test":["CMD","x"],"Interval":5}}"#;
        check("{}", container, container);
        check(
            r#"{"User":"b","Env":["B=3"],"Cmd":["own"],"Labels":{"m":"3"},"Volumes":{"/u":{}},
                "Healthcheck":{"Interval":7}}"#,
            container,
            r#"{"User":"b","Env":["B=3","A=1"],"Cmd":["own"],"Entrypoint":["e"],"WorkingDir":"/w",
                "Labels":{"l":"1","m":"3"},"Volumes":{"/u":{},"/v":{}},"ExposedPorts":{"1/tcp":{}},
                "StopSignal":"HUP","Healthcheck":{"Test":["CMD","x"],"Interval":7}}"#,
        );
    }

    #[test]
    fn an_entrypoint_of_ones_own_drops_the_command() {
        let container = r#"{"Cmd":["sh"],"Entrypoint":["e"]}"#;
        check(r#"{"Entrypoint":["own"]}"#, container, r#"{"Entrypoint":["own"]}"#);
        check(r#"{"Entrypoint":[]}"#, container, r#"{"Entrypoint":[],"Cmd":["sh"]}"#);
    }
}
