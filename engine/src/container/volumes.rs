//! A container's record follows when a volume of it is renamed.

use std::sync::Arc;

use gantry_volumes::VolumeName;

use super::task::{self, Command, Task};
use crate::Result;
use crate::engine::Engine;
use crate::plan::{ContainerPlan, MountSource};
use crate::record::ContainerRecord;

/// Tells a container that a volume of it has another name.
pub(crate) async fn rename_volume(
    engine: &Engine,
    container: &str,
    (from, to): (&VolumeName, &VolumeName),
) -> Result<()> {
    let Ok(handle) = engine.container(container) else { return Ok(()) };
    let (from, to) = (from.clone(), to.clone());
    task::ask(&handle, |reply| Command::RenameVolume { from, to, reply }).await
}

/// The task's side of it.
pub(super) async fn rename_now(
    task: &mut Task,
    (from, to): (&VolumeName, &VolumeName),
) -> Result<()> {
    let plan = with_volume_renamed(&task.engine, &task.record.plan, (from, to));
    let record = ContainerRecord { plan: Arc::new(plan), ..ContainerRecord::clone(&task.record) };
    task.save(Arc::new(record)).await
}

/// What a container is to be, with another name for a volume of it.
pub(crate) fn with_volume_renamed(
    engine: &Engine,
    plan: &ContainerPlan,
    (from, to): (&VolumeName, &VolumeName),
) -> ContainerPlan {
    let mut plan = plan.clone();
    for mount in &mut plan.mounts {
        if let MountSource::Volume(volume) = &mut mount.source
            && volume.name.as_ref() == Some(from)
        {
            volume.name = Some(to.clone());
            volume.anonymous = false;
            volume.path = engine.volumes.path(to).to_string_lossy().into_owned();
        }
    }
    for bind in &mut plan.host_config.binds {
        if let Some(rest) = bind.strip_prefix(from.as_str()).filter(|rest| rest.starts_with(':')) {
            *bind = format!("{to}{rest}");
        }
    }
    for mount in &mut plan.host_config.mounts {
        if mount.r#type == "volume" && mount.source == from.as_str() {
            to.as_str().clone_into(&mut mount.source);
        }
    }
    plan
}
