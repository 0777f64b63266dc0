//! What a request may ask for that is not there yet: refused by name, never passed over in silence.

use gantry_api::container::{Config, CreateRequest, HostConfig};

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
    // A size needs project quotas, which neither overlayfs's layers nor their file systems here have.
    if let Some((key, value)) = host.storage_opt.iter().next() {
        let reason = match key.to_ascii_lowercase().as_str() {
            "size" => {
                "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
                    .to_owned()
            }
            _ => format!("unknown storage option {key}={value}: size is the only one"),
        };
        return Err(Error::invalid(reason));
    }
    Ok(())
}

/// Fails on the first limit that is not there yet.
pub(super) fn limits_check(host: &HostConfig) -> Result<(), Error> {
    let missing = limits(host).into_iter().find_map(|(asked, what)| asked.then_some(what));
    missing.map_or(Ok(()), |what| Err(Error::not_there_yet(what)))
}

fn host_features(host: &HostConfig) -> Vec<(bool, &'static str)> {
    vec![
        (!host.device_requests.is_empty(), "device requests (--gpus)"),
        (!host.device_cgroup_rules.is_empty(), "--device-cgroup-rule"),
        (!host.cgroup.is_empty(), "a shared cgroup"),
        (!matches!(host.userns_mode.as_str(), "" | "host"), "user namespaces (--userns)"),
        (!matches!(host.isolation.as_str(), "" | "default"), "--isolation"),
        (
            !matches!(host.runtime.as_str(), "" | "gantry" | "runc" | "io.containerd.runc.v2"),
            "another runtime (--runtime)",
        ),
        (
            !matches!(host.log_config.r#type.as_str(), "" | "json-file" | "local" | "none"),
            "that log driver",
        ),
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

fn config_features(config: &Config) -> Vec<(bool, &'static str)> {
    vec![(!config.mac_address.is_empty(), "--mac-address")]
}
