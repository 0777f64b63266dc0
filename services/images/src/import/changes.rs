//! `--change`: the Dockerfile instructions that set an image's configuration without a build.

use gantry_oci::image::{ContainerConfig, Healthcheck};
use gantry_types::{Signal, duration_nanos};

use super::words::{head, split};
use crate::{Error, Result};

/// More than that is no configuration.
const MAX_CHANGES: usize = 1000;

/// The longest instruction, in bytes.
const MAX_CHANGE_BYTES: usize = 64 << 10;

/// The shortest time between two health checks, as in Docker.
const MIN_CHECK_NANOS: i64 = 1_000_000;

/// What is wrong with an instruction.
type Fault = String;

/// Changes a configuration by all instructions.
pub(crate) fn apply_all(config: &mut ContainerConfig, changes: &[String]) -> Result<()> {
    let over = |what: &str, limit: String| Error::OverLimit { what: what.to_owned(), limit };
    if changes.len() > MAX_CHANGES {
        return Err(over("the number of changes", format!("{MAX_CHANGES} changes")));
    }
    let mut own_command = false;
    for change in changes {
        if change.len() > MAX_CHANGE_BYTES {
            return Err(over("the length of a change", format!("{MAX_CHANGE_BYTES} bytes")));
        }
        apply(config, change)
            .map_err(|reason| Error::InvalidChange { change: change.clone(), reason })?;
        match head(change).0.to_ascii_uppercase().as_str() {
            "CMD" => own_command = true,
            // The old command was meant for the old entrypoint.
            "ENTRYPOINT" if !own_command => config.cmd = None,
            _ => {}
        }
    }
    Ok(())
}

fn apply(config: &mut ContainerConfig, change: &str) -> Result<(), Fault> {
    let (name, rest) = head(change);
    let name = name.to_ascii_uppercase();
    if rest.is_empty() && !matches!(name.as_str(), "CMD" | "ENTRYPOINT" | "") {
        return Err(format!("{name} needs an argument"));
    }
    match name.as_str() {
        "CMD" => config.cmd = Some(command(config, rest)),
        "ENTRYPOINT" => config.entrypoint = Some(command(config, rest)),
        "ENV" => set_env(config, rest)?,
        "EXPOSE" => expose(config, rest)?,
        "HEALTHCHECK" => config.healthcheck = Some(healthcheck(rest)?),
        "LABEL" => config.labels.extend(pairs(rest)?),
        "ONBUILD" => config.on_build.push(trigger(rest)?),
        "STOPSIGNAL" => {
            rest.parse::<Signal>().map_err(|error| error.to_string())?;
            rest.clone_into(&mut config.stop_signal);
        }
        "USER" => rest.clone_into(&mut config.user),
        "VOLUME" => config.volumes.extend(volumes(rest)?),
        "WORKDIR" => config.working_dir = join(&config.working_dir, rest),
        _ => return Err(format!("{name} is not a valid change command")),
    }
    Ok(())
}

/// A command as a JSON list, or as a line for the shell.
fn command(config: &ContainerConfig, text: &str) -> Vec<String> {
    match list(text) {
        Some(words) => words,
        None if text.is_empty() => Vec::new(),
        None if config.shell.is_empty() => {
            vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()]
        }
        None => config.shell.iter().cloned().chain([text.to_owned()]).collect(),
    }
}

fn list(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok())?
}

/// `name=value …`, or the old form `name value`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let words = split(text).ok_or("a quote is not closed")?;
    let old_form = words.first().is_some_and(|word| !word.contains('='));
    if old_form {
        let (name, value) = head(text);
        if value.is_empty() {
            return Err(format!("{name} must have a value"));
        }
        return Ok(vec![(name.to_owned(), value.to_owned())]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some(("", _)) => Err("names can not be blank".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(format!("can't find = in {word:?}")),
    };
    words.into_iter().map(pair).collect()
}

fn set_env(config: &mut ContainerConfig, text: &str) -> Result<(), Fault> {
    for (name, value) in pairs(text)? {
        let entry = format!("{name}={value}");
        let same =
            |other: &&mut String| other.split_once('=').is_some_and(|(other, _)| other == name);
        match config.env.iter_mut().find(same) {
            Some(other) => *other = entry,
            None => config.env.push(entry),
        }
    }
    Ok(())
}

/// `80`, `80/udp`, `8000-8010/tcp`.
fn expose(config: &mut ContainerConfig, text: &str) -> Result<(), Fault> {
    for word in split(text).ok_or("a quote is not closed")? {
        let (ports, protocol) = word.split_once('/').unwrap_or((&word, "tcp"));
        let protocol = protocol.to_ascii_lowercase();
        if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
            return Err(format!("invalid proto: {protocol}"));
        }
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let port = |text: &str| {
            text.parse::<u16>().ok().filter(|port| *port > 0).ok_or(format!("invalid port: {word}"))
        };
        let (first, last) = (port(first)?, port(last)?);
        if first > last {
            return Err(format!("invalid port: {word}"));
        }
        config.exposed_ports.extend((first..=last).map(|port| format!("{port}/{protocol}")));
    }
    Ok(())
}

fn volumes(text: &str) -> Result<Vec<String>, Fault> {
    let volumes = match list(text) {
        Some(volumes) => volumes,
        None => split(text).ok_or("a quote is not closed")?,
    };
    if volumes.iter().any(|volume| volume.trim().is_empty()) {
        return Err("VOLUME specified can not be an empty string".to_owned());
    }
    Ok(volumes)
}

fn trigger(text: &str) -> Result<String, Fault> {
    let (name, _) = head(text);
    match name.to_ascii_uppercase().as_str() {
        "ONBUILD" => Err("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".to_owned()),
        name @ ("FROM" | "MAINTAINER") => {
            Err(format!("{name} isn't allowed as an ONBUILD trigger"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// A folder below the current one, unless it is absolute; `.` and `..` are taken by their text.
fn join(current: &str, folder: &str) -> String {
    let whole =
        if folder.starts_with('/') { folder.to_owned() } else { format!("{current}/{folder}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn healthcheck(text: &str) -> Result<Healthcheck, Fault> {
    let mut check = Healthcheck::default();
    let mut rest = text;
    loop {
        let (word, after) = head(rest);
        let Some(option) = word.strip_prefix("--") else { break };
        let (name, value) =
            option.split_once('=').ok_or(format!("--{option} needs a value: --{option}=…"))?;
        set_option(&mut check, name, value)?;
        rest = after;
    }
    let (kind, command) = head(rest);
    match kind.to_ascii_uppercase().as_str() {
        "NONE" if command.is_empty() => check.test = vec!["NONE".to_owned()],
        "NONE" => return Err("HEALTHCHECK NONE takes no arguments".to_owned()),
        "CMD" if command.is_empty() => {
            return Err("missing command after HEALTHCHECK CMD".to_owned());
        }
        "CMD" => {
            check.test = match list(command) {
                Some(words) => std::iter::once("CMD".to_owned()).chain(words).collect(),
                None => vec!["CMD-SHELL".to_owned(), command.to_owned()],
            };
        }
        kind => return Err(format!("unknown type {kind:?} in HEALTHCHECK (try CMD)")),
    }
    Ok(check)
}

fn set_option(check: &mut Healthcheck, name: &str, value: &str) -> Result<(), Fault> {
    if name == "retries" {
        let retries = value.parse().ok().filter(|retries| *retries >= 1);
        check.retries = retries.ok_or(format!("--retries must be at least 1 (not {value})"))?;
        return Ok(());
    }
    let place = match name {
        "interval" => &mut check.interval,
        "timeout" => &mut check.timeout,
        "start-period" => &mut check.start_period,
        "start-interval" => &mut check.start_interval,
        _ => return Err(format!("unknown flag: --{name}")),
    };
    let nanos = duration_nanos(value).ok_or(format!("invalid duration {value:?} of --{name}"))?;
    if nanos != 0 && nanos < MIN_CHECK_NANOS {
        return Err(format!("--{name} {value:?} cannot be less than 1ms"));
    }
    *place = nanos;
    Ok(())
}

#[cfg(test)]
mod tests;
