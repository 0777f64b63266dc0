//! Values that go to the runtime as they were written: what the kernel would refuse at start is told at create.

use gantry_api::container::{Config, HostConfig};
use gantry_cgroup::CgroupPath;
use gantry_types::{ContainerId, error_chain};

use crate::error::Error;

/// No text that becomes a C string holds a NUL byte.
pub(super) fn texts(config: &Config, host: &HostConfig) -> Result<(), Error> {
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

/// `--cgroup-parent`; empty is the engine's own.
pub(super) fn cgroup_parent(parent: &str, id: &ContainerId) -> Result<(), Error> {
    if parent.is_empty() {
        return Ok(());
    }
    // The parent has to be one by itself, and short enough for the container's cgroup in it.
    for path in [parent, &format!("/{parent}/{id}")] {
        path.parse::<CgroupPath>().map_err(|error| {
            Error::invalid(format!("invalid cgroup parent: {}", error_chain(&error)))
        })?;
    }
    Ok(())
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

/// `--shm-size`; zero is the default.
pub(super) fn shm_size(bytes: i64) -> Result<(), Error> {
    if bytes < 0 {
        return Err(Error::invalid("SHM size can not be less than 0"));
    }
    Ok(())
}

/// A list such as `0-3,7` of `--cpuset-cpus` or `--cpuset-mems`; empty is no choice.
pub(super) fn cpuset(what: &str, list: &str) -> Result<(), Error> {
    let number = |text: &str| {
        let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let is_range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        number(first).zip(number(last)).is_some_and(|(first, last)| first <= last)
    };
    if list.is_empty() || list.split(',').all(is_range) {
        Ok(())
    } else {
        Err(Error::invalid(format!("Invalid value {} for cpuset {what}", list.escape_debug())))
    }
}
