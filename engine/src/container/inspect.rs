//! `inspect`: everything about one container.

use std::collections::BTreeMap;
use std::path::Path;

use gantry_api::container::{ContainerInspect, ContainerState, GraphDriver, HostConfig};
use gantry_types::{ErrorKind, Timestamp};

use super::{health, links, network_settings};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::plan::{LogFormat, LogPlan, MountPlan};
use crate::record::{ContainerRecord, State};

/// Tells everything about a container; with its sizes when asked, which takes a walk over its writable layer.
pub async fn inspect(engine: &Engine, container: &str, size: bool) -> Result<ContainerInspect> {
    let record = engine.snapshot(container)?.record;
    let engine = engine.clone();
    block(move || document(&engine, &record, size)).await
}

/// Only the files of json-file are for others to read.
fn log_path(log: Option<&LogPlan>, dir: &Path) -> String {
    let log = log.filter(|log| log.format == LogFormat::JsonFile);
    log.map(|log| log.path(dir).to_string_lossy().into_owned()).unwrap_or_default()
}

fn document(engine: &Engine, record: &ContainerRecord, size: bool) -> Result<ContainerInspect> {
    let id = record.id.as_str();
    let plan = &record.plan;
    let dir = engine.settings.container_dir(id);
    let file = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let mut document = ContainerInspect {
        id: id.to_owned(),
        created: record.created_at.to_string(),
        path: plan.args.first().cloned().unwrap_or_default(),
        args: plan.args.iter().skip(1).cloned().collect(),
        state: state(record),
        restart_count: i64::from(record.restart_count),
        image: record.image.id.to_string(),
        resolv_conf_path: file("resolv.conf"),
        hostname_path: file("hostname"),
        hosts_path: file("hosts"),
        log_path: log_path(plan.log.as_ref(), &dir),
        name: format!("/{}", record.name),
        driver: "overlay2".to_owned(),
        platform: "linux".to_owned(),
        app_armor_profile: plan.security.apparmor.clone(),
        process_label: plan.security.selinux.process.clone(),
        mount_label: plan.security.selinux.mount.clone(),
        exec_ids: engine.exec_ids(&record.id),
        host_config: HostConfig { links: links::shown(engine, record), ..plan.host_config.clone() },
        graph_driver: GraphDriver {
            name: "overlay2".to_owned(),
            data: layer_paths(engine, record)?,
        },
        mounts: plan.mounts.iter().map(MountPlan::to_mount_point).collect(),
        config: plan.config.clone(),
        network_settings: network_settings::whole(engine, record),
        ..ContainerInspect::default()
    };
    if size {
        let own = written_bytes(engine, id)?;
        let image = crate::image::NameCache::new(engine).image_size(record);
        document.size_rw = Some(own);
        document.size_root_fs = Some(own.saturating_add(image));
    }
    Ok(document)
}

fn state(record: &ContainerRecord) -> ContainerState {
    let state = &record.state;
    let moment = |moment: Option<Timestamp>| moment.unwrap_or(Timestamp::ZERO).to_string();
    ContainerState {
        status: state.name().to_owned(),
        running: state.is_active(),
        paused: state.is_paused(),
        restarting: state.is_restarting(),
        pid: match state {
            State::Running { pid, .. } => i32::try_from(*pid).unwrap_or(0),
            _ => 0,
        },
        exit_code: i32::from(state.exit_code()),
        oom_killed: matches!(state, State::Exited { oom_killed: true, .. }),
        error: state.failure().map(|failure| failure.message.clone()).unwrap_or_default(),
        started_at: moment(state.started_at()),
        finished_at: moment(state.finished_at()),
        health: record.health.as_ref().map(health::document),
        ..ContainerState::default()
    }
}

/// Bytes in the writable layer of the container; none when it is being removed or was lost.
pub(super) fn written_bytes(engine: &Engine, id: &str) -> Result<i64> {
    match engine.layers.size(id) {
        Ok(bytes) => Ok(i64::try_from(bytes).unwrap_or(i64::MAX)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        // It may also go while it is measured.
        Err(_) if !engine.layers.container_exists(id) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// The overlay's directories, by the names that Docker's driver gives them; nothing when one of the layers was lost.
fn layer_paths(engine: &Engine, record: &ContainerRecord) -> Result<BTreeMap<String, String>> {
    let parts = match engine.layers.directories(record.id.as_str(), &record.image.chain) {
        Ok(parts) => parts,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let lower: Vec<String> = parts.lower.iter().map(|path| text(path)).collect();
    let data = [
        ("LowerDir", lower.join(":")),
        ("UpperDir", text(&parts.upper)),
        ("WorkDir", text(&parts.work)),
    ];
    Ok(data.map(|(name, path)| (name.to_owned(), path)).into())
}
