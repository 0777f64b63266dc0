//! Values that go to the runtime as they were written: what the kernel would refuse at start is told at create.

use std::collections::BTreeMap;

use gantry_api::container::{Config, HostConfig};
use gantry_oci::runtime::DeviceRule;

use crate::error::Error;

/// Everything here but the score, which becomes another value.
pub(super) fn all(config: &Config, host: &HostConfig) -> Result<(), Error> {
    texts(config, host)?;
    if host.shm_size < 0 {
        return Err(Error::invalid("SHM size can not be less than 0"));
    }
    annotations(&host.annotations)?;
    for rule in &host.device_cgroup_rules {
        device_rule(rule)?;
    }
    if !matches!(host.isolation.to_ascii_lowercase().as_str(), "" | "default") {
        let asked = &host.isolation;
        return Err(Error::invalid(format!(
            "invalid isolation: {asked:?} - linux only supports 'default'"
        )));
    }
    Ok(())
}

/// No text that becomes a C string holds a NUL byte.
fn texts(config: &Config, host: &HostConfig) -> Result<(), Error> {
    let own = [("user", &config.user), ("working directory", &config.working_dir)];
    let devices = host.devices.iter().flat_map(|device| {
        [&device.path_on_host, &device.path_in_container].map(|path| ("device path", path))
    });
    let masked = host.masked_paths.iter().flatten().map(|path| ("masked path", path));
    let read_only = host.readonly_paths.iter().flatten().map(|path| ("read-only path", path));
    let env = config.env.iter().map(|entry| ("environment variable", entry));
    let mut all = own.into_iter().chain(env).chain(devices).chain(masked).chain(read_only);
    match all.find(|(_, text)| text.contains('\0')) {
        Some((what, text)) => {
            Err(Error::invalid(format!("invalid {what} {text:?}: it has a NUL byte in it")))
        }
        None => Ok(()),
    }
}

/// `--oom-score-adj`; zero leaves the score as the engine has it.
pub(super) fn oom_score_adj(adj: i64) -> Result<Option<i32>, Error> {
    match i32::try_from(adj) {
        Ok(0) => Ok(None),
        Ok(adj) if (-1000..=1000).contains(&adj) => Ok(Some(adj)),
        _ => Err(Error::invalid(format!(
            "Invalid value {adj}, range for oom score adj is [-1000, 1000]"
        ))),
    }
}

/// `--annotation`. Those that make groups of containers are containerd's: a container of ours has a shim of its own.
fn annotations(annotations: &BTreeMap<String, String>) -> Result<(), Error> {
    for (key, value) in annotations {
        if key.is_empty() {
            return Err(Error::invalid(
                "invalid Annotations: the empty string is not permitted as an annotation key",
            ));
        }
        if gantry_shim_protocol::group::GROUP_ANNOTATIONS.contains(&key.as_str())
            && !value.is_empty()
        {
            return Err(Error::invalid(format!(
                "annotation {key} makes groups of containers under containerd: it cannot be given here"
            )));
        }
    }
    Ok(())
}

/// `--device-cgroup-rule`, as the kernel's first cgroup version has it: `c 42:* rmw`.
pub(super) fn device_rule(text: &str) -> Result<DeviceRule, Error> {
    let parse = || {
        let [kind, numbers, access] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let number = |text: &str| match text {
            "*" => Some(None),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse::<u32>().ok().map(|number| Some(i64::from(number)))
            }
            _ => None,
        };
        let (major, minor) = numbers.split_once(':')?;
        let fits = matches!(kind, "a" | "b" | "c")
            && (1..=3).contains(&access.len())
            && access.bytes().all(|byte| b"rwm".contains(&byte));
        let (major, minor) = (number(major)?, number(minor)?);
        fits.then(|| DeviceRule {
            allow: true,
            kind: kind.to_owned(),
            major,
            minor,
            access: access.to_owned(),
        })
    };
    parse().ok_or_else(|| Error::invalid(format!("invalid device cgroup rule format: '{text}'")))
}
