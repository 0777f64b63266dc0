//! `blockIO`: v1's `blkio`, v2's `io`.

use gantry_oci::runtime::{BlockIo, ThrottleDevice};

use super::bad_value;
use crate::error::Error;
use crate::hierarchy::Version;
use crate::setting::Setting;

/// Zero weights are no settings. A throttle of zero lifts the limit.
pub(crate) fn settings(block_io: &BlockIo, version: Version) -> Result<Vec<Setting>, Error> {
    let mut settings = Vec::new();
    if let Some(weight) = checked_weight("blockIO.weight", block_io.weight)? {
        settings.push(match version {
            Version::V1 => Setting::new("blockIO.weight", "blkio.weight", weight)
                .rather("blkio.bfq.weight", weight),
            Version::V2 => io_weight(weight),
        });
    }
    if let Some(weight) = checked_weight("blockIO.leafWeight", block_io.leaf_weight)? {
        refuse_leaf_weight(version)?;
        settings.push(Setting::new("blockIO.leafWeight", "blkio.leaf_weight", weight));
    }
    for device in &block_io.weight_device {
        let name = "blockIO.weightDevice";
        let number = device_number(name, device.major, device.minor)?;
        if let Some(weight) = checked_weight(name, device.weight)? {
            let value = format!("{number} {weight}");
            settings.push(match version {
                Version::V1 => Setting::new(name, "blkio.weight_device", &value)
                    .rather("blkio.bfq.weight_device", &value),
                Version::V2 => Setting::new(name, "io.bfq.weight", value),
            });
        }
        if let Some(weight) = checked_weight(name, device.leaf_weight)? {
            refuse_leaf_weight(version)?;
            let value = format!("{number} {weight}");
            settings.push(Setting::new(name, "blkio.leaf_weight_device", value));
        }
    }
    for (name, devices, v1_file, v2_key) in throttles(block_io) {
        for device in devices {
            let number = device_number(name, device.major, device.minor)?;
            let rate = device.rate;
            settings.push(match version {
                Version::V1 => Setting::new(name, v1_file, format!("{number} {rate}")),
                Version::V2 if rate == 0 => {
                    Setting::new(name, "io.max", format!("{number} {v2_key}=max"))
                }
                Version::V2 => Setting::new(name, "io.max", format!("{number} {v2_key}={rate}")),
            });
        }
    }
    Ok(settings)
}

type Throttle<'a> = (&'static str, &'a [ThrottleDevice], &'static str, &'static str);

fn throttles(block_io: &BlockIo) -> [Throttle<'_>; 4] {
    [
        (
            "blockIO.throttleReadBpsDevice",
            &block_io.throttle_read_bps_device,
            "blkio.throttle.read_bps_device",
            "rbps",
        ),
        (
            "blockIO.throttleWriteBpsDevice",
            &block_io.throttle_write_bps_device,
            "blkio.throttle.write_bps_device",
            "wbps",
        ),
        (
            "blockIO.throttleReadIOPSDevice",
            &block_io.throttle_read_iops_device,
            "blkio.throttle.read_iops_device",
            "riops",
        ),
        (
            "blockIO.throttleWriteIOPSDevice",
            &block_io.throttle_write_iops_device,
            "blkio.throttle.write_iops_device",
            "wiops",
        ),
    ]
}

/// v2's file depends on the scheduler: BFQ takes v1's numbers, the cost model has a range of its own.
fn io_weight(weight: u16) -> Setting {
    let converted = 1 + (u32::from(weight) - 10) * 9999 / 990;
    Setting::new("blockIO.weight", "io.weight", format!("default {converted}"))
        .rather("io.bfq.weight", weight)
}

fn checked_weight(name: &str, weight: Option<u16>) -> Result<Option<u16>, Error> {
    match weight {
        None | Some(0) => Ok(None),
        Some(weight @ 10..=1000) => Ok(Some(weight)),
        Some(weight) => Err(bad_value(name, weight, "must be between 10 and 1000")),
    }
}

fn refuse_leaf_weight(version: Version) -> Result<(), Error> {
    match version {
        Version::V1 => Ok(()),
        Version::V2 => {
            Err(Error::NotInVersion { setting: "blockIO.leafWeight".to_owned(), version: "v2" })
        }
    }
}

fn device_number(name: &str, major: i64, minor: i64) -> Result<String, Error> {
    let fits = |number: i64| u32::try_from(number).is_ok();
    if fits(major) && fits(minor) {
        Ok(format!("{major}:{minor}"))
    } else {
        Err(bad_value(name, format!("{major}:{minor}"), "is not a device number"))
    }
}
