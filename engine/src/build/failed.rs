//! A command that failed, kept as an image without a name: its files as they were when it ended, its variables, its user and its
//! directory. What was mounted, secrets above all, is no part of it. Whoever asked for it removes it.

use gantry_build::{Execution, Layer};
use gantry_oci::image::{ContainerConfig, ImageConfig, RootFs};
use gantry_types::Digest;

use super::workshop::Bench;
use crate::{Result, image};

/// The shell of commands that had none.
const SHELL: &str = "/bin/sh";

/// Makes the image; its id.
pub(super) fn keep(bench: &Bench<'_>, layers: Vec<Layer>, execution: &Execution) -> Result<Digest> {
    let shell = match &execution.args[..] {
        [shell, .., option, _] if option == "-c" => shell,
        _ => SHELL,
    };
    let config = ImageConfig {
        created: Some(gantry_sys::clock::now().to_string()),
        platform: execution.platform.clone(),
        config: ContainerConfig {
            env: execution.env.clone(),
            cmd: Some(vec![shell.to_owned()]),
            working_dir: execution.working_dir.clone(),
            user: execution.user.clone(),
            ..ContainerConfig::default()
        },
        rootfs: RootFs {
            diff_ids: layers.iter().map(|layer| layer.diff_id.clone()).collect(),
            ..RootFs::default()
        },
        ..ImageConfig::default()
    };
    let layers = layers.into_iter().map(|layer| (layer.diff_id, layer.blob)).collect();
    let engine = bench.engine;
    let made = engine.images.make(config, layers, Vec::new())?;
    let id = made.id.digest().clone();
    bench.runtime.block_on(image::unpack::unpack(engine, vec![made]))?;
    Ok(id)
}
