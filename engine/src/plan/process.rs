//! The process: the request's words, environment, directory and labels, completed by the image's.

use gantry_api::container::{Config, HealthConfig};
use gantry_api::image::ImageConfig;

use crate::container::RESTART_WHEN_UNHEALTHY;
use crate::error::Error;

/// Completes what the request left open from what the image says.
pub(super) fn complete(mut config: Config, image: &ImageConfig) -> Result<Config, Error> {
    if config.user.is_empty() {
        config.user.clone_from(&image.user);
    }
    config.env = merge_env(&image.env, &config.env)?;
    // An entrypoint of one's own also drops the image's command, because that belongs to the image's entrypoint.
    match &config.entrypoint {
        None => {
            if config.cmd.as_ref().is_none_or(Vec::is_empty) {
                config.cmd.clone_from(&image.cmd);
            }
            config.entrypoint.clone_from(&image.entrypoint);
        }
        Some(words) if words.iter().all(String::is_empty) => config.entrypoint = None,
        Some(_) => {}
    }
    if config.working_dir.is_empty() {
        config.working_dir.clone_from(&image.working_dir);
    }
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        let dir = &config.working_dir;
        return Err(Error::invalid(format!(
            "the working directory '{dir}' is invalid, it needs to be an absolute path"
        )));
    }
    // Whether the daemon starts a container again is not for an image to say.
    let inherited = image.labels.iter().filter(|(key, _)| *key != RESTART_WHEN_UNHEALTHY);
    for (key, value) in inherited {
        config.labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    config.exposed_ports.extend(image.exposed_ports.iter().cloned());
    config.volumes.extend(image.volumes.iter().cloned());
    if config.stop_signal.is_empty() {
        config.stop_signal.clone_from(&image.stop_signal);
    }
    config.healthcheck = match (config.healthcheck, &image.healthcheck) {
        (Some(own), Some(image)) => Some(health_check(own, image)),
        (own, image) => own.or_else(|| image.clone()),
    };
    if config.shell.is_empty() {
        config.shell.clone_from(&image.shell);
    }
    Ok(config)
}

/// Each setting that the request leaves open is the image's.
fn health_check(own: HealthConfig, image: &HealthConfig) -> HealthConfig {
    let or = |own: i64, image: i64| if own == 0 { image } else { own };
    HealthConfig {
        test: if own.test.is_empty() { image.test.clone() } else { own.test },
        interval: or(own.interval, image.interval),
        timeout: or(own.timeout, image.timeout),
        start_period: or(own.start_period, image.start_period),
        start_interval: or(own.start_interval, image.start_interval),
        retries: or(own.retries, image.retries),
    }
}

/// Program and arguments.
pub(super) fn args(config: &Config) -> Result<Vec<String>, Error> {
    let words = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let args = [words(&config.entrypoint), words(&config.cmd)].concat();
    if args.first().is_none_or(String::is_empty) {
        return Err(Error::invalid("no command specified"));
    }
    if args.iter().any(|arg| arg.contains('\0')) {
        return Err(Error::invalid("invalid command: an argument has a NUL byte in it"));
    }
    Ok(args)
}

/// The image's environment, overridden name by name; a bare name takes a variable away.
fn merge_env(image: &[String], request: &[String]) -> Result<Vec<String>, Error> {
    let name = |entry: &str| entry.split_once('=').map_or(entry, |(name, _)| name).to_owned();
    let mut merged: Vec<String> = image.to_vec();
    for entry in request {
        let key = name(entry);
        if key.is_empty() || entry.contains('\0') {
            let entry = entry.escape_debug();
            return Err(Error::invalid(format!("invalid environment variable: {entry}")));
        }
        merged.retain(|other| name(other) != key);
        if entry.contains('=') {
            merged.push(entry.clone());
        }
    }
    Ok(merged)
}

/// Groups besides the user's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AdditionalGroups {
    pub ids: Vec<u32>,
    /// For the runtime, which has the container's group file.
    pub names: Vec<String>,
}

/// `--group-add`: what is written as a number is one.
pub(super) fn additional_groups(groups: &[String]) -> Result<AdditionalGroups, Error> {
    /// Docker's range of ids: what fits a signed 32-bit number.
    const HIGHEST_ID: u32 = 0x7fff_ffff;
    let mut found = AdditionalGroups::default();
    for group in groups {
        let digits = group.strip_prefix(['-', '+']).unwrap_or(group);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let id = group.parse().ok().filter(|id| *id <= HIGHEST_ID && digits == group);
            found.ids.push(id.ok_or_else(|| {
                Error::invalid(format!(
                    "uids and gids must be in range 0-{HIGHEST_ID}: --group-add {group}"
                ))
            })?);
        } else if group.is_empty() || group.contains(['\0', '\n', ':', ',']) {
            return Err(Error::invalid(format!(
                "unable to find group {group:?}: it is not a group's name"
            )));
        } else {
            found.names.push(group.clone());
        }
    }
    Ok(found)
}
