//! What instructions say of the image's configuration.

use gantry_dockerfile::{Command, Expose, HealthCheck, KeyValue};
use gantry_oci::image::{ContainerConfig, Healthcheck};

use crate::variables::Scope;
use crate::{Error, Result};

/// The shell of images that choose none.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// What a command executes: a line in the shell, a program as it is.
pub(crate) fn args(config: &ContainerConfig, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(line) if line.is_empty() => Vec::new(),
        Command::Shell(line) => [shell(config), vec![line.clone()]].concat(),
    }
}

pub(crate) fn shell(config: &ContainerConfig) -> Vec<String> {
    if config.shell.is_empty() { SHELL.map(str::to_owned).to_vec() } else { config.shell.clone() }
}

/// Pairs with their variables expanded, all with the values from before.
pub(crate) fn pairs(
    scope: &Scope,
    escape: char,
    pairs: &[KeyValue],
) -> Result<Vec<(String, String)>> {
    let expanded = |pair: &KeyValue| {
        let key = scope.word(escape, &pair.key)?;
        Ok((key, scope.word(escape, &pair.value)?))
    };
    pairs.iter().map(expanded).collect()
}

/// Adds ports.
pub(crate) fn expose(config: &mut ContainerConfig, words: &[String]) -> Result<()> {
    for word in words {
        let ports = Expose::parse(word).ok_or_else(|| {
            Error::invalid("port", word, "PORT, PORT-PORT or PORT/PROTOCOL is needed")
        })?;
        let protocol = ports.protocol.to_lowercase();
        for port in ports.first..=ports.last {
            config.exposed_ports.insert(format!("{port}/{protocol}"));
        }
    }
    Ok(())
}

/// The check as an image has it.
pub(crate) fn health(config: &ContainerConfig, check: &HealthCheck) -> Healthcheck {
    let HealthCheck::Check(check) = check else {
        return Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() };
    };
    let test = match &check.command {
        Command::Exec(words) => [vec!["CMD".to_owned()], words.clone()].concat(),
        Command::Shell(line) if config.shell.is_empty() => {
            vec!["CMD-SHELL".to_owned(), line.clone()]
        }
        Command::Shell(line) => {
            [vec!["CMD".to_owned()], shell(config), vec![line.clone()]].concat()
        }
    };
    Healthcheck {
        test,
        interval: check.interval_nanos.unwrap_or_default(),
        timeout: check.timeout_nanos.unwrap_or_default(),
        start_period: check.start_period_nanos.unwrap_or_default(),
        start_interval: check.start_interval_nanos.unwrap_or_default(),
        retries: check.retries.map(i64::from).unwrap_or_default(),
    }
}

/// Permissions as `--chmod` has them: an octal number.
pub(crate) fn mode(text: &str) -> Result<u32> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| Error::invalid("mode", text, "an octal number up to 7777 is needed"))
}
