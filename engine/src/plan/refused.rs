//! What a request may ask for that is not there yet: refused by name, never passed over in silence.

use gantry_api::container::{Config, CreateRequest, HostConfig};
use gantry_api::image::ImageConfig;

use crate::error::Error;

/// Fails on the first thing that is not there yet or contradicts itself.
pub(super) fn check(request: &CreateRequest) -> Result<(), Error> {
    let host = &request.host_config;
    contradictions(host)?;
    let missing = host_features(host)
        .into_iter()
        .chain(limits(host))
        .chain(config_features(&request.config))
        .find_map(|(asked, what)| asked.then_some(what));
    if let Some(what) = missing {
        return Err(Error::not_there_yet(what));
    }
    Ok(())
}

fn contradictions(host: &HostConfig) -> Result<(), Error> {
    if host.auto_remove && !matches!(host.restart_policy.name.as_str(), "" | "no") {
        return Err(Error::invalid("can't create 'AutoRemove' container with restart policy"));
    }
    Ok(())
}

fn host_features(host: &HostConfig) -> [(bool, &'static str); 15] {
    [
        (!matches!(host.restart_policy.name.as_str(), "" | "no"), "a restart policy (--restart)"),
        (!host.volumes_from.is_empty(), "--volumes-from"),
        (!matches!(host.volume_driver.as_str(), "" | "local"), "a volume driver (--volume-driver)"),
        (!host.links.is_empty(), "--link"),
        (!host.device_requests.is_empty(), "device requests (--gpus)"),
        (!host.device_cgroup_rules.is_empty(), "--device-cgroup-rule"),
        (!host.storage_opt.is_empty(), "--storage-opt"),
        (!host.cgroup.is_empty(), "a shared cgroup"),
        (!matches!(host.userns_mode.as_str(), "" | "host"), "user namespaces (--userns)"),
        (!matches!(host.isolation.as_str(), "" | "default"), "--isolation"),
        (
            !matches!(host.runtime.as_str(), "" | "gantry" | "runc" | "io.containerd.runc.v2"),
            "another runtime (--runtime)",
        ),
        (!matches!(host.log_config.r#type.as_str(), "" | "json-file" | "none"), "that log driver"),
        (host.mounts.iter().any(|m| m.r#type == "volume"), "volumes (--mount type=volume)"),
        (host.mounts.iter().any(|m| m.r#type == "image"), "image mounts (--mount type=image)"),
        (host.mounts.iter().any(|m| m.r#type == "cluster"), "cluster volumes"),
    ]
}

fn limits(host: &HostConfig) -> [(bool, &'static str); 5] {
    [
        (!host.blkio_weight_device.is_empty(), "--blkio-weight-device"),
        (
            !(host.blkio_device_read_bps.is_empty()
                && host.blkio_device_write_bps.is_empty()
                && host.blkio_device_read_iops.is_empty()
                && host.blkio_device_write_iops.is_empty()),
            "limits by block device (--device-read-bps and the like)",
        ),
        (host.kernel_memory != 0 || host.kernel_memory_tcp != 0, "a limit on kernel memory"),
        (
            host.cpu_realtime_period != 0 || host.cpu_realtime_runtime != 0,
            "realtime scheduling limits",
        ),
        (!host.annotations.is_empty(), "annotations (--annotation)"),
    ]
}

fn config_features(config: &Config) -> [(bool, &'static str); 3] {
    let asks_for_probe = config
        .healthcheck
        .as_ref()
        .is_some_and(|check| check.test.first().is_some_and(|word| word != "NONE"));
    [
        (asks_for_probe, "health checks (--health-cmd)"),
        (!config.volumes.is_empty(), "anonymous volumes (-v /path)"),
        (!config.mac_address.is_empty(), "--mac-address"),
    ]
}

/// What the image asks for that is not there yet. The image can run without it, so these are warnings.
pub(super) fn image_warnings(image: &ImageConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if !image.volumes.is_empty() {
        let paths: Vec<&str> = image.volumes.iter().map(String::as_str).collect();
        warnings.push(format!(
            "Volumes are not there yet: what is written to {} goes to the container's own layer.",
            paths.join(", ")
        ));
    }
    let probes = |word: &String| word != "NONE";
    if image.healthcheck.as_ref().is_some_and(|check| check.test.first().is_some_and(probes)) {
        warnings.push(
            "Health checks are not there yet: the image's HEALTHCHECK does not run.".to_owned(),
        );
    }
    warnings
}
