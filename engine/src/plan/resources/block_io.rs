//! Block devices: weights and throttles. Paths become numbers when a container starts (`container::block_devices`).

use gantry_api::container::{HostConfig, ThrottleDevice};
use gantry_oci::runtime::{BlockIo, LinuxResources};

use super::Asked;
use crate::error::Error;

const WEIGHTS: std::ops::RangeInclusive<u16> = 10..=1000;

/// Checks what was asked for; gives what holds for all devices.
pub(super) fn resolve(
    host: &mut HostConfig,
    asked: &mut Asked<'_>,
) -> Result<Option<BlockIo>, Error> {
    if host.io_maximum_bandwidth != 0 || host.io_maximum_iops != 0 {
        return Err(Error::invalid(
            "Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps",
        ));
    }
    let devices = host.blkio_weight_device.iter().map(|device| device.weight);
    if !std::iter::once(host.blkio_weight)
        .chain(devices)
        .all(|weight| weight == 0 || WEIGHTS.contains(&weight))
    {
        return Err(Error::invalid("Range of blkio weight is from 10 to 1000"));
    }
    discard_weights(host, asked);
    discard_throttles(host, asked);
    let paths = host.blkio_weight_device.iter().map(|device| &device.path);
    let throttled = throttles(host).into_iter().flatten().map(|device| &device.path);
    if let Some(path) = paths.chain(throttled).find(|path| path.is_empty() || path.contains('\0')) {
        return Err(Error::invalid(format!("invalid path of a block device: {path:?}")));
    }
    Ok((host.blkio_weight != 0)
        .then(|| BlockIo { weight: Some(host.blkio_weight), ..BlockIo::default() }))
}

/// Reads and writes in bytes, then in operations.
fn throttles(host: &HostConfig) -> [&Vec<ThrottleDevice>; 4] {
    [
        &host.blkio_device_read_bps,
        &host.blkio_device_write_bps,
        &host.blkio_device_read_iops,
        &host.blkio_device_write_iops,
    ]
}

fn discard_weights(host: &mut HostConfig, asked: &mut Asked<'_>) {
    if asked.support.block_weight {
        return;
    }
    if host.blkio_weight > 0 {
        asked.warn(
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.",
        );
        host.blkio_weight = 0;
    }
    if !host.blkio_weight_device.is_empty() {
        asked.warn(
            "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
        );
        host.blkio_weight_device.clear();
    }
}

fn discard_throttles(host: &mut HostConfig, asked: &mut Asked<'_>) {
    if asked.support.block_throttle {
        return;
    }
    for (devices, kind, what) in [
        (&mut host.blkio_device_read_bps, "BPS Block I/O read", "Block I/O BPS read"),
        (&mut host.blkio_device_write_bps, "BPS Block I/O write", "Block I/O BPS write"),
        (&mut host.blkio_device_read_iops, "IOPS Block read", "Block I/O IOPS read"),
        (&mut host.blkio_device_write_iops, "IOPS Block write", "Block I/O IOPS write"),
    ] {
        if !devices.is_empty() {
            asked.warn(&format!(
                "Your kernel does not support {kind} limit or the cgroup is not mounted. {what} limit discarded."
            ));
            devices.clear();
        }
    }
}

/// The limits with those of single devices, whose numbers were looked up.
pub(crate) fn with_devices(resources: &LinuxResources, devices: BlockIo) -> LinuxResources {
    let mut resources = resources.clone();
    if devices != BlockIo::default() {
        let weight = resources.block_io.as_ref().and_then(|own| own.weight);
        resources.block_io = Some(BlockIo { weight, ..devices });
    }
    resources
}
