//! `rdma`: the same file in both versions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gantry_oci::runtime::Rdma;

use super::checked_name;
use crate::error::Error;
use crate::setting::Setting;

pub(crate) fn settings(devices: &BTreeMap<String, Rdma>) -> Result<Vec<Setting>, Error> {
    let mut settings = Vec::new();
    for (device, limits) in devices {
        let device = checked_name("rdma", device)?;
        let mut value = device.to_owned();
        for (key, limit) in [("hca_handle", limits.hca_handles), ("hca_object", limits.hca_objects)]
        {
            if let Some(limit) = limit {
                // Writing to a String cannot fail.
                write!(value, " {key}={limit}").unwrap_or_default();
            }
        }
        if value != device {
            settings.push(Setting::new(format!("rdma.{device}"), "rdma.max", value));
        }
    }
    Ok(settings)
}
