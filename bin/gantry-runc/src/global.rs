//! The flags before the command.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gantry_runtime::{Caller, CgroupRefusals};
use gantry_types::SEARCH_PATH;

use crate::arguments::{Arguments, Flag, switch, value};
use crate::bus;
use crate::error::Error;
use crate::log::{Format, Log};

/// Settings for all commands.
#[derive(Debug)]
pub(crate) struct Global {
    /// Holds a directory for each container.
    pub root: PathBuf,
    pub systemd_cgroup: bool,
    /// The socket of the bus that systemd is on.
    pub system_bus: PathBuf,
    /// What `--rootless` says.
    pub cgroup_refusals: CgroupRefusals,
    /// `PATH`, for the tools that map a user's ids.
    pub search_path: String,
    /// Another `criu` than the one in `PATH`.
    pub criu: Option<String>,
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
const OWN_NAME: &str = "gantry-runc";

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
        let cgroup_refusals = match parsed.get("rootless") {
            None | Some("auto") => CgroupRefusals::ByCaller,
            Some("true") => CgroupRefusals::Tolerated,
            Some("false") => CgroupRefusals::Reported,
            Some(other) => {
                let text = format!("--rootless is true, false or auto, not {other:?}");
                return Err(Error::usage(text));
            }
        };
        let log = parsed.get("log").filter(|path| !path.is_empty()).map(PathBuf::from);
        let global = Self {
            root: match parsed.get("root") {
                Some(root) => root.into(),
                None => default_root()?,
            },
            systemd_cgroup: parsed.is_set("systemd-cgroup"),
            system_bus: system_bus(parsed.is_set("systemd-cgroup"))?,
            cgroup_refusals,
            search_path: search_path(std::env::var_os("PATH")),
            criu: parsed.get("criu").filter(|name| !name.is_empty()).map(str::to_owned),
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

/// Root's own directory; whoever is not root has one for what lasts as long as his session (`XDG_RUNTIME_DIR`).
fn default_root() -> Result<PathBuf, Error> {
    let caller = Caller::detect()
        .map_err(|source| Error::System { what: "look at the own rights", source })?;
    let user = rustix::process::geteuid().as_raw();
    let root = root_of(caller, std::env::var_os("XDG_RUNTIME_DIR"), user);
    if caller != Caller::Root {
        check_owner(&root, user)?;
    }
    Ok(root)
}

/// Records name processes to kill and hooks to run. Where others may write, as when `XDG_RUNTIME_DIR` is `/tmp`, they could be theirs.
fn check_owner(root: &Path, user: u32) -> Result<(), Error> {
    match fs::symlink_metadata(root) {
        Ok(found) if found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0 => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(Error::usage(format!(
            "{} is not a directory that only you may write: set XDG_RUNTIME_DIR or give --root",
            root.display()
        ))),
        Err(source) => Err(Error::File { what: "look at", path: root.to_owned(), source }),
    }
}

fn root_of(caller: Caller, runtime_dir: Option<OsString>, user: u32) -> PathBuf {
    let runtime_dir = runtime_dir.map(PathBuf::from).filter(|path| path.is_absolute());
    match (caller, runtime_dir) {
        (Caller::Root, _) | (Caller::NamespaceRoot, None) => DEFAULT_ROOT.into(),
        (_, Some(runtime_dir)) => runtime_dir.join(OWN_NAME),
        (Caller::User, None) => format!("/run/user/{user}/{OWN_NAME}").into(),
    }
}

/// Looked for only where it is used.
fn system_bus(systemd_cgroup: bool) -> Result<PathBuf, Error> {
    if !systemd_cgroup {
        return Ok(gantry_runtime::SYSTEM_BUS.into());
    }
    bus::find().map_err(|source| Error::System { what: "look at the own rights", source })
}

/// Without a word the usual places, as everywhere.
fn search_path(path: Option<OsString>) -> String {
    let path = path.and_then(|path| path.into_string().ok());
    path.filter(|path| !path.is_empty()).unwrap_or_else(|| SEARCH_PATH.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_lie_where_their_owner_may_write() {
        use Caller::{NamespaceRoot, Root, User};
        for (caller, runtime_dir, expected) in [
            (Root, Some("/run/user/0"), "/run/gantry-runc"),
            (NamespaceRoot, Some("/run/user/7"), "/run/user/7/gantry-runc"),
            (NamespaceRoot, None, "/run/gantry-runc"),
            (User, Some("/run/user/7"), "/run/user/7/gantry-runc"),
            (User, Some("relative"), "/run/user/9/gantry-runc"),
            (User, None, "/run/user/9/gantry-runc"),
        ] {
            let root = root_of(caller, runtime_dir.map(OsString::from), 9);
            assert_eq!(root, Path::new(expected), "{caller:?} {runtime_dir:?}");
        }
    }
}
