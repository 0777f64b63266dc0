//! What a plugin's container is: the request that a plugin's configuration and settings make, through the plan of all containers, and what
//! plugins have beyond them.

use gantry_api::container::{Config, CreateRequest, DeviceMapping, HostConfig, LogConfig};
use gantry_api::image::ImageConfig;
use gantry_api::plugin::PluginMount;
use gantry_oci::runtime::{Mount, Spec};
use gantry_plugins::managed::Record;
use gantry_types::{ContainerId, Digest};

use super::place::LOGGING;
use crate::Result;
use crate::container::create::new_record;
use crate::container::given_devices;
use crate::engine::Engine;
use crate::error::Error;
use crate::plan::{ContainerPlan, SpecFacts, Surroundings, to_spec};
use crate::record::{ContainerRecord, ImageUsed};

/// Where a plugin makes its socket.
const SOCKETS: &str = "/run/docker/plugins";

/// The container that the plugin is, which is in no list.
pub(super) fn container(engine: &Engine, record: &Record) -> Result<ContainerRecord> {
    let id: ContainerId = record
        .id
        .parse()
        .map_err(|error| Error::invalid(format!("the id of a plugin: {error}")))?;
    let live = engine.live();
    let logs = &engine.settings.logs;
    let cgroup_driver = engine.settings.cgroup_driver;
    let around =
        Surroundings { host: &engine.host, defaults: &live.containers, logs, cgroup_driver };
    let (plan, warnings) =
        ContainerPlan::resolve(&id, request(record), &ImageConfig::default(), around)?;
    for warning in warnings {
        tracing::warn!(plugin = record.familiar(), warning, "a plugin gets less than it asks for");
    }
    let image = ImageUsed { id: Digest::sha256([0; 32]), chain: Vec::new() };
    let name = format!("plugin-{}", &record.id[..12]);
    let name = name.parse().map_err(|error| Error::invalid(format!("{error}")))?;
    Ok(new_record((id, name), image, plan))
}

fn request(record: &Record) -> CreateRequest {
    let (config, settings) = (&record.config, &record.settings);
    let host = |wanted: bool| if wanted { "host".to_owned() } else { String::new() };
    let user = match (config.user.uid, config.user.gid) {
        (0, 0) => String::new(),
        (uid, gid) => format!("{uid}:{gid}"),
    };
    let device = |path: String| DeviceMapping {
        path_in_container: path.clone(),
        path_on_host: path,
        cgroup_permissions: "rwm".to_owned(),
    };
    let all_devices = config.linux.allow_all_devices.then(|| "a *:* rwm".to_owned());
    CreateRequest {
        config: Config {
            entrypoint: Some(config.entrypoint.clone()),
            cmd: Some(settings.args.clone()),
            env: settings.env.clone(),
            working_dir: config.work_dir.clone(),
            user,
            ..Config::default()
        },
        host_config: HostConfig {
            network_mode: if config.network.r#type == "host" { "host" } else { "none" }.to_owned(),
            ipc_mode: host(config.ipc_host),
            // What it mounts is seen by containers with whatever ids.
            userns_mode: host(true),
            pid_mode: host(config.pid_host),
            cap_add: config.linux.capabilities.clone(),
            devices: settings.devices.iter().filter_map(|it| it.path.clone()).map(device).collect(),
            device_cgroup_rules: all_devices.into_iter().collect(),
            // It mounts file systems, which the default profile forbids.
            security_opt: ["no-new-privileges", "apparmor=unconfined"].map(str::to_owned).to_vec(),
            log_config: LogConfig { r#type: "none".to_owned(), ..LogConfig::default() },
            // Of its own: whatever runs as `--init` or by another runtime elsewhere has nothing to do with plugins.
            init: Some(false),
            runtime: crate::settings::OWN_RUNTIME.to_owned(),
            ..HostConfig::default()
        },
        ..CreateRequest::default()
    }
}

/// The bundle's document.
pub(super) fn spec(engine: &Engine, record: &Record, container: &ContainerRecord) -> Result<Spec> {
    let facts = SpecFacts {
        devices: given_devices(&container.plan.host_config)?,
        cgroup_path: crate::cgroups::place_of(engine, container)?.document_path().to_owned(),
        recursive_read_only: engine.host.recursive_read_only,
        host_queues: std::path::Path::new("/dev/mqueue").exists(),
        ..SpecFacts::none()
    };
    let mut spec = to_spec(&container.plan, &facts);
    let etc = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
    spec.mounts.retain(|mount| !etc.contains(&mount.destination.as_str()));
    if record.config.network.r#type == "host" {
        for file in ["/etc/hosts", "/etc/resolv.conf"] {
            spec.mounts.push(bind(file, file, &["rbind", "ro", "rprivate"]));
        }
    }
    let sockets = engine.settings.plugin_sockets(&record.id);
    spec.mounts.push(bind(SOCKETS, &sockets.to_string_lossy(), &["bind", "rw", "rprivate"]));
    if record.config.interface.types.iter().any(|word| word.contains("logdriver")) {
        let fifos = engine.settings.plugin_logging(&record.id);
        // It reads from what is there, and makes nothing.
        spec.mounts.push(bind(LOGGING, &fifos.to_string_lossy(), &["bind", "ro", "rprivate"]));
    }
    let propagated = &record.config.propagated_mount;
    if !propagated.is_empty() {
        let source = engine.managed_plugins.propagated(&record.id);
        spec.mounts.push(bind(propagated, &source.to_string_lossy(), &["rbind", "rw", "rshared"]));
    }
    for mount in &record.settings.mounts {
        let own = user_mount(mount)?;
        spec.mounts.retain(|other| other.destination != own.destination);
        spec.mounts.push(own);
    }
    Ok(spec)
}

fn bind(destination: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: "bind".to_owned(),
        source: source.to_owned(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

/// A mount that the configuration asks for, in the words of the runtime's own document.
fn user_mount(mount: &PluginMount) -> Result<Mount> {
    let Some(source) = mount.source.clone() else {
        return Err(Error::invalid(format!(
            "the mount {:?} has no source: say where it is by plugin set {}.source=/path",
            mount.destination, mount.name
        )));
    };
    let mut options = mount.options.clone();
    let kind = if mount.r#type.is_empty() { "bind".to_owned() } else { mount.r#type.clone() };
    if kind == "bind" && !options.iter().any(|it| it == "bind" || it == "rbind") {
        options.insert(0, "rbind".to_owned());
    }
    Ok(Mount { destination: mount.destination.clone(), kind, source, options, ..Mount::default() })
}
