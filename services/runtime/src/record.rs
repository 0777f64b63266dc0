//! A container's record: `state.json` in its state directory. It outlives the process that made the container.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gantry_cgroup::{Cgroup, CgroupPath, Hierarchies, Other};
use gantry_oci::runtime::{Hooks, LinuxCapabilities, Process, SPEC_VERSION, State, Status};
use gantry_sys::clone::Namespaces;
use gantry_sys::{pidfd, process};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::failure::During;
use crate::gate::{self, Hold};
use crate::plan::MemoryPolicyPlan;
use crate::rootless::Caller;
use crate::rootless::processes::{self, OwnNamespaces};
use crate::{listener, resctrl};

/// In the state directory.
pub(crate) const RECORD_NAME: &str = "state.json";
/// How long an end is waited for that has begun. The first process of a pid namespace may take longer: it ends after all others there.
const EXIT_PATIENCE: Duration = Duration::from_millis(100);
/// All kinds, by their names below `/proc/<pid>/ns`.
const NAMESPACES: [(&str, Namespaces); 8] = [
    ("user", Namespaces::USER),
    ("mnt", Namespaces::MOUNT),
    ("pid", Namespaces::PID),
    ("net", Namespaces::NETWORK),
    ("ipc", Namespaces::IPC),
    ("uts", Namespaces::UTS),
    ("cgroup", Namespaces::CGROUP),
    ("time", Namespaces::TIME),
];
const LINE_LIMIT_BYTES: u64 = 4 << 20;
/// More than a container's life writes.
const LINES_LIMIT: u64 = 8;

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
    /// Empty when it has none.
    pub cgroup: String,
    /// Cgroups below it that were there before it was the container's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_cgroups: Vec<Other>,
    /// The container has a user namespace other than the host's.
    pub user_namespace: bool,
    /// The same of a time namespace.
    #[serde(default)]
    pub time_namespace: bool,
    #[serde(default)]
    pub own_namespaces: OwnNamespaces,
    /// The execution domain, as `personality(2)` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personality: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicyPlan>,
    /// The container's place in the resource director.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resctrl: Option<resctrl::Group>,
    /// The process does not wait at a gate: it holds the record until it executes its program.
    #[serde(default)]
    pub held_until_start: bool,
    /// The agent of the seccomp profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<listener::Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd: Option<SystemdUnit>,
    #[serde(default)]
    pub hooks: LateHooks,
    #[serde(default)]
    pub confinement: Confinement,
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

/// What confines the first process, and further ones whose documents say nothing about it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Confinement {
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<LinuxCapabilities>,
    #[serde(skip_serializing_if = "String::is_empty")]
    apparmor_profile: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    selinux_label: String,
}

impl Confinement {
    pub(crate) fn of(process: &Process) -> Self {
        Self {
            capabilities: process.capabilities.clone(),
            apparmor_profile: process.apparmor_profile.clone(),
            selinux_label: process.selinux_label.clone(),
        }
    }

    pub(crate) fn complete(&self, process: &Process) -> Process {
        let mut process = process.clone();
        if process.capabilities.is_none() {
            process.capabilities.clone_from(&self.capabilities);
        }
        if process.apparmor_profile.is_empty() {
            process.apparmor_profile.clone_from(&self.apparmor_profile);
        }
        if process.selinux_label.is_empty() {
            process.selinux_label.clone_from(&self.selinux_label);
        }
        process
    }
}

/// The next line of a record.
#[derive(Debug)]
pub(crate) struct Line {
    file: File,
    bytes: Vec<u8>,
}

impl Line {
    pub(crate) fn write(mut self) -> io::Result<()> {
        self.file.write_all(&self.bytes)
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
        let bytes = read_bounded(file, &path, LINES_LIMIT * LINE_LIMIT_BYTES)?;
        match last_line(&bytes) {
            Some(line) => {
                serde_json::from_slice(line).map_err(|source| Error::Parse { path, source })
            }
            // The `create` was killed over it.
            None => Err(Error::NotFound { state_dir: state_dir.to_owned() }),
        }
    }

    /// Adds a line, which is the record from then on; a reader finds this one or the one before.
    ///
    /// A new file in the old one's place would do the same, but a file system on a disk writes out at once what takes another's name.
    pub(crate) fn write(&self, state_dir: &Path) -> io::Result<()> {
        self.line(state_dir)?.write()
    }

    /// The line to be added, ready to be written.
    pub(crate) fn line(&self, state_dir: &Path) -> io::Result<Line> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        if bytes.len() as u64 > LINE_LIMIT_BYTES {
            let reason = format!(
                "the container's record would be larger than {LINE_LIMIT_BYTES} bytes; \
                 use fewer or shorter annotations and hooks"
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
        }
        let mut options = File::options();
        options.append(true).create(true).mode(0o600);
        Ok(Line { file: options.open(path(state_dir))?, bytes })
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
            // Older kernels of a number that is reaped just now, or is a thread's by now.
            Err(error) if is_gone(&error) || error.raw_os_error() == Some(22) => return Ok(None),
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

    /// The first process, for one that joins it; an error when nobody can.
    pub(crate) fn process_to_join(&self, state_dir: &Path) -> Result<OwnedFd, Error> {
        if self.is_being_made(state_dir)? {
            return Err(Error::ExecCreating { id: self.id.clone() });
        }
        self.process()?.ok_or(Error::ExecStopped)
    }

    /// Whether the process is still being made, which the record may name already.
    pub(crate) fn is_being_made(&self, state_dir: &Path) -> Result<bool, Error> {
        if self.pid == 0 || !self.held_until_start {
            return Ok(self.pid == 0);
        }
        let path = path(state_dir);
        Hold::is_held(&path).map_err(|source| Error::Read { path, source })
    }

    pub(crate) fn cgroup_path(&self) -> Result<CgroupPath, Error> {
        self.cgroup.parse().map_err(Error::Cgroup)
    }

    pub(crate) fn has_cgroup(&self) -> bool {
        !self.cgroup.is_empty()
    }

    /// The container's cgroup; an error when it has none.
    pub(crate) fn open_cgroup(&self) -> Result<Cgroup, Error> {
        if !self.has_cgroup() {
            return Err(Error::NoCgroup { id: self.id.clone() });
        }
        let hierarchies = Hierarchies::detect().map_err(Error::Cgroup)?;
        Cgroup::open(&hierarchies, &self.cgroup_path()?).map_err(Error::Cgroup)
    }

    /// The container's processes, as the caller's pid namespace numbers them.
    pub(crate) fn processes(&self) -> Result<Vec<i32>, Error> {
        if self.has_cgroup() {
            return self.open_cgroup()?.pids().map_err(Error::Cgroup);
        }
        if self.process()?.is_none() {
            return Ok(Vec::new());
        }
        Ok(processes::of(self.pid, self.own_namespaces))
    }

    /// Which namespaces a process has to enter to be in the container.
    ///
    /// The machine's root may enter them all, whether they are other ones or not. For anybody else it is an error to enter one that the
    /// container shares with the host.
    pub(crate) fn namespaces_to_enter(&self, caller: Caller) -> Result<Namespaces, Error> {
        let mut namespaces = Namespaces::NONE;
        for (name, kind) in NAMESPACES {
            let enters = match (kind, caller) {
                (Namespaces::USER, _) => self.user_namespace,
                (Namespaces::TIME, _) => self.time_namespace,
                (_, Caller::Root) => true,
                _ => !processes::share(self.pid, name).during(
                    "look at the container's namespaces (a user can when its program runs)",
                )?,
            };
            if enters {
                namespaces = namespaces.with(kind);
            }
        }
        Ok(namespaces)
    }

    pub(crate) fn status(&self, state_dir: &Path) -> Result<Status, Error> {
        if self.pid == 0 {
            return Ok(Status::Creating);
        }
        let Some(process) = self.process()? else { return Ok(Status::Stopped) };
        if self.is_being_made(state_dir)? {
            return Ok(Status::Creating);
        }
        if gate::is_closed(state_dir) {
            return Ok(Status::Created);
        }
        if self.is_ending(process.as_fd())? {
            return Ok(Status::Stopped);
        }
        // The process may end, and its cgroup go, while we look.
        let frozen =
            self.open_cgroup().and_then(|cgroup| cgroup.is_frozen().map_err(Error::Cgroup));
        Ok(if frozen.unwrap_or(false) { Status::Paused } else { Status::Running })
    }

    /// Whether the process has ended meanwhile, or does so now. One that gives up lets go of the record and the gate as it ends, and
    /// counts as ended a moment later: in between it must not pass for one that executed its program.
    fn is_ending(&self, process: BorrowedFd<'_>) -> Result<bool, Error> {
        let system = |source| Error::System { what: "look whether the process ends", source };
        let is_exiting = match process::is_exiting(self.pid) {
            Err(error) if is_gone(&error) => true,
            known => known.map_err(system)?,
        };
        let patience = if is_exiting { EXIT_PATIENCE } else { Duration::ZERO };
        pidfd::wait_ended(process, Some(patience)).map_err(system)
    }

    /// The state with its process, unless that is still being made: then nobody but its maker and the hooks has business with it.
    pub(crate) fn state(&self, status: Status) -> State {
        let has_process = !matches!(status, Status::Creating | Status::Stopped);
        State {
            oci_version: SPEC_VERSION.to_owned(),
            id: self.id.clone(),
            status,
            pid: (self.pid != 0 && has_process).then_some(self.pid),
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
    let bytes = read_bounded(file, &path, limit_bytes)?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Parse { path, source })
}

fn read_bounded(file: File, path: &Path, limit_bytes: u64) -> Result<Vec<u8>, Error> {
    // A start: most documents need no second read.
    let mut bytes = Vec::with_capacity(16 << 10);
    match file.take(limit_bytes + 1).read_to_end(&mut bytes) {
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
        Ok(_) if bytes.len() as u64 > limit_bytes => {
            Err(Error::TooLarge { path: path.to_owned(), limit_bytes })
        }
        Ok(_) => Ok(bytes),
    }
}

/// The last line that is complete.
fn last_line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n')?;
    bytes[..end].rsplit(|byte| *byte == b'\n').next()
}

pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(RECORD_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Record {
        serde_json::from_str(
            r#"{"id": "x", "bundle": "/b", "pid": 0, "startTime": 0, "bootId": "", "created": "",
                "cgroup": "", "userNamespace": false}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_record_that_could_not_be_read_again_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = empty();
        record.annotations.insert("long".to_owned(), "x".repeat(3 << 20));
        for _ in 0..LINES_LIMIT {
            record.write(dir.path()).unwrap();
        }
        assert_eq!(Record::read(dir.path()).unwrap().annotations, record.annotations);
        record.annotations.insert("too".to_owned(), "x".repeat(1 << 20));
        let error = record.write(dir.path()).unwrap_err().to_string();
        assert!(error.contains("4194304 bytes") && error.contains("annotations"), "{error}");
        assert_eq!(Record::read(dir.path()).unwrap().annotations.len(), 1);
    }

    #[test]
    fn a_process_that_is_being_made_cannot_be_joined() {
        let dir = tempfile::tempdir().unwrap();
        let hold = Hold::take(&path(dir.path())).unwrap();
        let record = Record {
            pid: process::pid(),
            start_time: process::start_time(process::pid()).unwrap(),
            boot_id: gantry_sys::boot_id::boot_id().unwrap(),
            held_until_start: true,
            ..empty()
        };
        record.write(dir.path()).unwrap();
        let state = || {
            let record = Record::read(dir.path()).unwrap();
            let refusal = record.process_to_join(dir.path()).err().map(|error| error.to_string());
            let state = crate::state(dir.path()).unwrap();
            (state.status, state.pid, refusal.unwrap_or_default())
        };
        let (status, pid, refusal) = state();
        assert_eq!((status, pid), (Status::Creating, None));
        assert!(refusal.contains("being created"), "{refusal}");
        assert!(crate::processes(dir.path()).unwrap().is_empty());
        drop(hold);
        assert_eq!(state(), (Status::Running, Some(process::pid()), String::new()));
        assert!(crate::processes(dir.path()).unwrap().contains(&process::pid()));
    }

    #[test]
    fn a_number_that_has_come_to_be_a_threads_is_no_process() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            ended.recv().ok();
        });
        let record = Record { pid: told.recv().unwrap(), ..empty() };
        assert!(record.process().unwrap().is_none());
        drop(end);
        thread.join().unwrap();
    }

    #[test]
    fn the_last_complete_line_counts() {
        assert_eq!(last_line(b""), None);
        assert_eq!(last_line(b"torn"), None);
        assert_eq!(last_line(b"a\n"), Some(&b"a"[..]));
        assert_eq!(last_line(b"a\nb\ntorn"), Some(&b"b"[..]));
    }
}
