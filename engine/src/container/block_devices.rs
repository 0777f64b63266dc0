//! Limits of single block devices: paths of the host become the numbers that the kernel wants.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use gantry_api::container::{HostConfig, ThrottleDevice};
use gantry_oci::runtime::{BlockIo, ThrottleDevice as Throttle, WeightDevice};
use rustix::fs::{major, minor};

use crate::Result;
use crate::error::Error;

/// Whether two containers have other limits of single devices.
pub(super) fn differ(one: &HostConfig, other: &HostConfig) -> bool {
    one.blkio_weight_device != other.blkio_weight_device
        || one.blkio_device_read_bps != other.blkio_device_read_bps
        || one.blkio_device_write_bps != other.blkio_device_write_bps
        || one.blkio_device_read_iops != other.blkio_device_read_iops
        || one.blkio_device_write_iops != other.blkio_device_write_iops
}

/// The weights and throttles that a container has.
pub(super) fn limits(host: &HostConfig) -> Result<BlockIo> {
    let weights = host.blkio_weight_device.iter().map(|device| {
        let (major, minor) = number(&device.path)?;
        Ok(WeightDevice { major, minor, weight: Some(device.weight), leaf_weight: None })
    });
    Ok(BlockIo {
        weight_device: weights.collect::<Result<_>>()?,
        throttle_read_bps_device: throttles(&host.blkio_device_read_bps)?,
        throttle_write_bps_device: throttles(&host.blkio_device_write_bps)?,
        throttle_read_iops_device: throttles(&host.blkio_device_read_iops)?,
        throttle_write_iops_device: throttles(&host.blkio_device_write_iops)?,
        ..BlockIo::default()
    })
}

fn throttles(devices: &[ThrottleDevice]) -> Result<Vec<Throttle>> {
    let throttle = |device: &ThrottleDevice| {
        let (major, minor) = number(&device.path)?;
        Ok(Throttle { major, minor, rate: device.rate })
    };
    devices.iter().map(throttle).collect()
}

fn number(path: &str) -> Result<(i64, i64)> {
    let failed = |source| Error::BlockDevice { path: path.to_owned(), source };
    let found = fs::metadata(path).map_err(failed)?;
    if !found.file_type().is_block_device() {
        return Err(failed(std::io::Error::other("not a block device")));
    }
    let number = found.rdev();
    Ok((i64::from(major(number)), i64::from(minor(number))))
}
