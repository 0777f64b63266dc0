//! A container's record: `state.json` in its state directory. It outlives the process that made the container.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_cgroup::{Cgroup, CgroupPath, Hierarchies};
use gantry_oci::runtime::{Hooks, SPEC_VERSION, State, Status};
use gantry_sys::{pidfd, process};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::{gate, listener};

const RECORD_LIMIT_BYTES: u64 = 4 << 20;

/// What later operations need to know. Written by `create`: when it begins to make things, and when the process waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub id: String,
    /// Absolute path.
    pub bundle: PathBuf,
    /// Zero until there is one.
    pub pid: i32,
    /// In clock ticks since boot: tells this process from a later one with the same pid.
    pub start_time: u64,
    pub boot_id: String,
    /// RFC 3339.
    pub created: String,
    pub cgroup: String,
    /// The container has a user namespace other than the host's.
    pub user_namespace: bool,
    /// The same of a time namespace.
    #[serde(default)]
    pub time_namespace: bool,
    /// The execution domain, as `personality(2)` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personality: Option<u32>,
    /// The agent of the seccomp profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<listener::Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd: Option<SystemdUnit>,
    #[serde(default)]
    pub hooks: LateHooks,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// The scope that the cgroup is, and the bus that systemd is reached by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SystemdUnit {
    pub unit: String,
    pub bus: PathBuf,
}

/// The hooks that run after `create`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LateHooks {
    pub poststart: Vec<gantry_oci::runtime::Hook>,
    pub poststop: Vec<gantry_oci::runtime::Hook>,
}

impl From<&Hooks> for LateHooks {
    fn from(hooks: &Hooks) -> Self {
        Self { poststart: hooks.poststart.clone(), poststop: hooks.poststop.clone() }
    }
}

impl Record {
    pub(crate) fn read(state_dir: &Path) -> Result<Self, Error> {
        let path = path(state_dir);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NotFound { state_dir: state_dir.to_owned() });
            }
            Err(source) => return Err(Error::Read { path, source }),
        };
        parse_bounded(file, path, RECORD_LIMIT_BYTES)
    }

    /// Writes beside the old name and renames, so that a reader finds all or nothing.
    pub(crate) fn write(&self, state_dir: &Path) -> io::Result<()> {
        let new = state_dir.join(".state.json.new");
        let mut file = File::options().write(true).create_new(true).open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(new, path(state_dir))
    }

    /// The first process, when it is still the one that was recorded and has not ended.
    pub(crate) fn process(&self) -> Result<Option<OwnedFd>, Error> {
        if self.pid == 0 {
            return Ok(None);
        }
        let system = |source| Error::System { what: "open the container's process", source };
        // The descriptor first: from then on the pid cannot be given to another process unnoticed.
        let handle = match pidfd::open(self.pid) {
            Ok(handle) => handle,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(system(error)),
        };
        match process::start_time(self.pid) {
            Ok(time) if time == self.start_time => {}
            Err(error) if !is_gone(&error) => return Err(system(error)),
            _ => return Ok(None),
        }
        let other_boot = gantry_sys::boot_id::boot_id().map_err(system)? != self.boot_id;
        if other_boot || pidfd::has_ended(handle.as_fd()).map_err(system)? {
            return Ok(None);
        }
        Ok(Some(handle))
    }

    pub(crate) fn cgroup_path(&self) -> Result<CgroupPath, Error> {
        self.cgroup.parse().map_err(Error::Cgroup)
    }

    pub(crate) fn open_cgroup(&self) -> Result<Cgroup, Error> {
        let hierarchies = Hierarchies::detect().map_err(Error::Cgroup)?;
        Cgroup::open(&hierarchies, &self.cgroup_path()?).map_err(Error::Cgroup)
    }

    pub(crate) fn status(&self, state_dir: &Path) -> Result<Status, Error> {
        if self.pid == 0 {
            return Ok(Status::Creating);
        }
        if self.process()?.is_none() {
            return Ok(Status::Stopped);
        }
        if gate::is_closed(state_dir) {
            return Ok(Status::Created);
        }
        // The process may end, and its cgroup go, while we look.
        let frozen =
            self.open_cgroup().and_then(|cgroup| cgroup.is_frozen().map_err(Error::Cgroup));
        Ok(if frozen.unwrap_or(false) { Status::Paused } else { Status::Running })
    }

    pub(crate) fn state(&self, status: Status) -> State {
        State {
            oci_version: SPEC_VERSION.to_owned(),
            id: self.id.clone(),
            status,
            pid: (self.pid != 0 && status != Status::Stopped).then_some(self.pid),
            bundle: self.bundle.to_string_lossy().into_owned(),
            annotations: self.annotations.clone(),
        }
    }
}

/// The process, or all of `/proc/<pid>`, is not there any more.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(3)
}

/// Reads a JSON document of at most `limit_bytes`.
pub(crate) fn parse_bounded<T: serde::de::DeserializeOwned>(
    file: File,
    path: PathBuf,
    limit_bytes: u64,
) -> Result<T, Error> {
    let mut bytes = Vec::new();
    match file.take(limit_bytes + 1).read_to_end(&mut bytes) {
        Err(source) => Err(Error::Read { path, source }),
        Ok(_) if bytes.len() as u64 > limit_bytes => Err(Error::TooLarge { path, limit_bytes }),
        Ok(_) => serde_json::from_slice(&bytes).map_err(|source| Error::Parse { path, source }),
    }
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("state.json")
}
