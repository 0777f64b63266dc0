//! Realtime for containers, which the first cgroup version hands down: a cgroup can give only what it has itself. The
//! daemon's settings say how much the cgroups above the containers have.

use std::fs;

use gantry_cgroup::Version;

use crate::Result;
use crate::cgroups;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::ContainerRecord;

/// Gives the cgroups above a container that wants realtime as much as the settings say.
pub(super) fn provide(engine: &Engine, record: &ContainerRecord) -> Result<()> {
    let live = engine.live();
    let defaults = &live.containers;
    let cpu = record.plan.resources.cpu.as_ref();
    if cpu.is_none_or(|cpu| cpu.realtime_runtime.is_none()) || defaults.cpu_rt_runtime_us == 0 {
        return Ok(());
    }
    let controls = |it: &&gantry_cgroup::Hierarchy| {
        it.version() == Version::V1 && it.controllers().any(|name| name == "cpu")
    };
    let Some(hierarchy) = engine.cgroups.iter().find(controls) else { return Ok(()) };
    let path = cgroups::path_of(engine, record);
    let mut place = hierarchy.root().to_owned();
    let above = path.trim_matches('/').rsplit_once('/').map_or("", |(above, _)| above);
    for name in above.split('/').filter(|name| !name.is_empty()) {
        place.push(name);
        fs::create_dir_all(&place).map_err(Error::file("create the cgroup", &place))?;
        for (file, microseconds) in [
            ("cpu.rt_period_us", defaults.cpu_rt_period_us),
            ("cpu.rt_runtime_us", defaults.cpu_rt_runtime_us),
        ] {
            let file = place.join(file);
            if microseconds != 0 {
                fs::write(&file, microseconds.to_string())
                    .map_err(Error::file("set the realtime of containers in", &file))?;
            }
        }
    }
    Ok(())
}
