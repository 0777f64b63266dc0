//! `volume create`.

use gantry_api::volume::{Volume, VolumeCreateRequest};
use gantry_volumes::{ANONYMOUS, CreateOptions, VolumeName};

use super::{document, driver, parse};
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, random};

/// Makes a volume. One that is there already with the same driver is the answer, too.
pub async fn create(engine: &Engine, request: VolumeCreateRequest) -> Result<Volume> {
    if request.cluster_volume_spec.is_some() {
        return Err(Error::not_there_yet("volumes of swarms (ClusterVolumeSpec)"));
    }
    let mut labels = request.labels;
    let name = if request.name.is_empty() {
        labels.entry(ANONYMOUS.to_owned()).or_default();
        VolumeName::anonymous(random::bytes()?)
    } else {
        parse(&request.name)?
    };
    let options = CreateOptions { driver: request.driver, options: request.driver_opts, labels };
    let engine = engine.clone();
    block(move || {
        let (volume, _) = driver::create(&engine, &name, options, &mut engine.volumes.pins())?;
        let volume = engine.volumes.find(volume.name.as_str())?;
        Ok(document(&engine, &volume))
    })
    .await
}
