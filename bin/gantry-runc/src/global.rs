//! The flags before the command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::arguments::{Arguments, Flag, switch, value};
use crate::error::Error;
use crate::log::{Format, Log};

/// Settings for all commands.
#[derive(Debug)]
pub(crate) struct Global {
    /// Holds a directory for each container.
    pub root: PathBuf,
    pub systemd_cgroup: bool,
    /// The system bus's socket.
    pub system_bus: PathBuf,
    pub version: bool,
    pub help: bool,
    pub log: Log,
}

const FLAGS: [Flag; 9] = [
    value("root"),
    value("log"),
    value("log-format"),
    switch("debug"),
    switch("systemd-cgroup"),
    value("rootless"),
    switch("version").short("v"),
    switch("help").short("h"),
    value("criu"),
];

const DEFAULT_ROOT: &str = "/run/gantry-runc";

impl Global {
    /// The settings, and the command with its arguments.
    pub(crate) fn parse(args: Vec<String>) -> Result<(Self, Vec<String>), Error> {
        let parsed = Arguments::parse("gantry-runc", &FLAGS, args)?;
        let format = match parsed.get("log-format") {
            None | Some("text") => Format::Text,
            Some("json") => Format::Json,
            Some(other) => {
                return Err(Error::usage(format!("--log-format is text or json, not {other:?}")));
            }
        };
        if matches!(parsed.get("rootless"), Some("true")) {
            return Err(Error::usage("--rootless=true is not supported"));
        }
        let log = parsed.get("log").filter(|path| !path.is_empty()).map(PathBuf::from);
        let global = Self {
            root: parsed.get("root").unwrap_or(DEFAULT_ROOT).into(),
            systemd_cgroup: parsed.is_set("systemd-cgroup"),
            system_bus: system_bus(std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS")),
            version: parsed.is_set("version"),
            help: parsed.is_set("help"),
            log: Log::new(log, format, parsed.is_set("debug")),
        };
        Ok((global, parsed.rest))
    }

    /// Where the record of a container is. An id that is a path in disguise has none.
    pub(crate) fn state_dir(&self, id: &str) -> Result<PathBuf, Error> {
        if id.is_empty() || id.contains('/') || id == "." || id == ".." {
            return Err(Error::usage(format!("invalid container id {id:?}")));
        }
        Ok(Path::new(&self.root).join(id))
    }
}

/// The first address with a path, as the bus's own library understands it; else the usual place.
fn system_bus(address: Option<OsString>) -> PathBuf {
    let address = address.and_then(|address| address.into_string().ok()).unwrap_or_default();
    let mut paths = address
        .split(';')
        .filter_map(|one| one.strip_prefix("unix:"))
        .flat_map(|keys| keys.split(','))
        .filter_map(|key| key.strip_prefix("path="));
    paths.next().unwrap_or(gantry_runtime::SYSTEM_BUS).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bus_is_where_its_address_says() {
        for (address, path) in [
            (None, gantry_runtime::SYSTEM_BUS),
            (Some("unix:path=/a/b,guid=12"), "/a/b"),
            (Some("tcp:host=x;unix:guid=1,path=/c"), "/c"),
            (Some("unix:abstract=/x"), gantry_runtime::SYSTEM_BUS),
        ] {
            assert_eq!(system_bus(address.map(OsString::from)), Path::new(path), "{address:?}");
        }
    }
}
