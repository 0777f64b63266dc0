//! How a container is run: by the runtime inside the shim, or by another one's program
//! (`Options.BinaryName`, see `other`). Everything that the task API needs of a runtime is a function
//! here; what it means to callers is told in `task`. Another program's part takes its time: see `progress`.

mod invocation;
mod other;
mod progress;

pub(crate) use invocation::Invocation;
pub(crate) use progress::Progress;

use crate::error::{Error, complain};
use gantry_cgroup::Cgroup;
use gantry_oci::runtime::{self, LinuxResources};
use gantry_runtime::{
    CheckpointOptions, CreateFlags, CreateOptions, CriuOptions, DeleteMode, ExecOptions, KillScope,
    RestoreOptions, Rootfs, RootfsMount, Started, Stdio,
};
use gantry_shim_protocol::RUNTIME_FILE;
use gantry_shim_protocol::task::RuncOptions;
use gantry_types::{ErrorKind, Signal};
use other::OtherRuntime;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

/// Where a runtime keeps its record, inside the bundle.
const RUNTIME_DIR: &str = "runtime";
const FILTER_CACHE: &str = ".gantry-filters";

#[derive(Debug)]
pub(crate) enum Runtime {
    Own { state_dir: PathBuf, flags: CreateFlags },
    Other(OtherRuntime),
}

/// Whose runtime it is.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) id: &'a str,
    pub(crate) bundle: &'a Path,
}

/// What the callers said about it, as far as later calls need it; kept in the bundle.
#[derive(Debug, Default, PartialEq, Eq)]
struct Choice {
    /// Empty: the runtime inside the shim.
    binary: String,
    /// Empty: the bundle.
    root: String,
    systemd_cgroup: bool,
}

impl Choice {
    fn read(bundle: &Path) -> io::Result<Self> {
        let text = match std::fs::read(bundle.join(RUNTIME_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            text => text?,
        };
        let value: Value = serde_json::from_slice(&text)?;
        let word = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            binary: word("binary"),
            root: word("root"),
            systemd_cgroup: value["systemdCgroup"].as_bool().unwrap_or(false),
        })
    }

    fn write(&self, bundle: &Path) -> io::Result<()> {
        let path = bundle.join(RUNTIME_FILE);
        if *self == Self::default() {
            return match std::fs::remove_file(path) {
                // Of an earlier attempt.
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let Self { binary, root, systemd_cgroup } = self;
        let value = json!({ "binary": binary, "root": root, "systemdCgroup": systemd_cgroup });
        std::fs::write(path, value.to_string())
    }
}

impl Runtime {
    /// Our own, with its record in the bundle.
    pub(crate) fn own(bundle: &Path) -> Self {
        Self::Own { state_dir: bundle.join(RUNTIME_DIR), flags: CreateFlags::default() }
    }

    /// The one that Create's options name; written down for [`Runtime::recorded`].
    pub(crate) fn choose(owner: Owner<'_>, options: &RuncOptions) -> Result<Self, Error> {
        let choice = Choice {
            binary: options.binary_name.clone(),
            root: options.root.clone(),
            systemd_cgroup: options.systemd_cgroup,
        };
        let flags = CreateFlags {
            no_pivot: options.no_pivot_root,
            no_new_keyring: options.no_new_keyring,
            systemd_cgroup: options.systemd_cgroup,
        };
        let runtime = Self::new(owner, &choice, flags)?;
        let path = owner.bundle.join(RUNTIME_FILE);
        choice.write(owner.bundle).map_err(Error::file("write", path))?;
        Ok(runtime)
    }

    /// The one that a bundle's container was made by.
    pub(crate) fn recorded(owner: Owner<'_>) -> Result<Self, Error> {
        let path = owner.bundle.join(RUNTIME_FILE);
        let choice = Choice::read(owner.bundle).map_err(Error::file("read", path))?;
        Self::new(owner, &choice, CreateFlags::default())
    }

    fn new(owner: Owner<'_>, choice: &Choice, flags: CreateFlags) -> Result<Self, Error> {
        let root = root(owner, &choice.root)?;
        if choice.binary.is_empty() {
            let state_dir = match &root {
                Some(root) => root.join(owner.id),
                None => owner.bundle.join(RUNTIME_DIR),
            };
            return Ok(Self::Own { state_dir, flags });
        }
        let program = crate::child::find(&choice.binary)?;
        let root = root.unwrap_or_else(|| owner.bundle.join(RUNTIME_DIR));
        Ok(Self::Other(OtherRuntime::new(owner, program, root, flags)))
    }

    /// Makes the container; its first process waits for [`Runtime::start`]. What a failure leaves is for
    /// [`Runtime::take_back`].
    pub(crate) fn create(
        &self,
        owner: Owner<'_>,
        mounts: &[RootfsMount],
        stdio: Stdio,
    ) -> Result<Progress<Started>, Error> {
        let (state_dir, flags) = match self {
            Self::Own { state_dir, flags } => (state_dir, *flags),
            Self::Other(other) => return other.create(mounts, &stdio),
        };
        let cache = filter_cache(owner.bundle);
        let options = own_options(owner, (state_dir, flags), mounts, stdio, &cache)?;
        let created = gantry_runtime::create(&options)?;
        let gantry_runtime::Created { pid, pidfd, terminal } = created;
        Ok(Progress::Done(Started { pid, pidfd, terminal }))
    }

    /// Whether the runtime has another container of this id, which is not ours to take down.
    pub(crate) fn is_taken(&self) -> bool {
        match self {
            // Its `create` looks, and takes everything back by itself.
            Self::Own { .. } => false,
            Self::Other(other) => other.is_taken(),
        }
    }

    /// Removes what a [`Runtime::create`] left that failed. `was_taken`: what [`Runtime::is_taken`] said before.
    pub(crate) fn take_back(&self, was_taken: bool) -> Result<Progress<()>, Error> {
        match self {
            Self::Own { .. } => Ok(Progress::Done(())),
            Self::Other(other) if was_taken => {
                other.unmount_root();
                Ok(Progress::Done(()))
            }
            Self::Other(other) => other.delete(),
        }
    }

    pub(crate) fn start(&self) -> Result<Progress<()>, Error> {
        match self {
            Self::Own { state_dir, .. } => Ok(Progress::Done(gantry_runtime::start(state_dir)?)),
            Self::Other(other) => other.start(),
        }
    }

    /// Runs a further process.
    pub(crate) fn exec(
        &self,
        process: &runtime::Process,
        stdio: Stdio,
    ) -> Result<Progress<Started>, Error> {
        match self {
            Self::Own { state_dir, .. } => {
                let options = ExecOptions { process, stdio, preserve_fds: 0 };
                Ok(Progress::Done(gantry_runtime::exec(state_dir, &options)?))
            }
            Self::Other(other) => other.exec(process, &stdio),
        }
    }

    /// Signals the first process, or all. One that has ended is [`Error::Finished`].
    pub(crate) fn kill(&self, signal: Signal, scope: KillScope) -> Result<Progress<()>, Error> {
        match self {
            Self::Own { state_dir, .. } => match gantry_runtime::kill(state_dir, signal, scope) {
                Err(gantry_runtime::Error::NotRunning) => Err(Error::Finished),
                killed => Ok(Progress::Done(killed?)),
            },
            Self::Other(other) => other.kill(signal, scope),
        }
    }

    pub(crate) fn pause(&self) -> Result<Progress<()>, Error> {
        match self {
            Self::Own { state_dir, .. } => Ok(Progress::Done(gantry_runtime::pause(state_dir)?)),
            Self::Other(other) => other.pause(),
        }
    }

    pub(crate) fn resume(&self) -> Result<Progress<()>, Error> {
        match self {
            Self::Own { state_dir, .. } => Ok(Progress::Done(gantry_runtime::resume(state_dir)?)),
            Self::Other(other) => other.resume(),
        }
    }

    /// Writes the container to files.
    pub(crate) fn checkpoint(&self, options: &CheckpointOptions<'_>) -> Result<(), Error> {
        match self {
            Self::Own { state_dir, .. } => Ok(gantry_runtime::checkpoint(state_dir, options)?),
            Self::Other(_) => Err(not_with_another("Checkpoint")),
        }
    }

    /// Whether [`Runtime::restore`] is possible.
    pub(crate) fn check_restores(&self) -> Result<(), Error> {
        match self {
            Self::Own { .. } => Ok(()),
            Self::Other(_) => Err(not_with_another("restoring a checkpoint")),
        }
    }

    /// Makes the container again from files; its processes run.
    pub(crate) fn restore(
        &self,
        owner: Owner<'_>,
        mounts: &[RootfsMount],
        stdio: Stdio,
        criu: CriuOptions<'_>,
    ) -> Result<Started, Error> {
        let Self::Own { state_dir, flags } = self else {
            return Err(not_with_another("restoring a checkpoint"));
        };
        let cache = filter_cache(owner.bundle);
        let options = own_options(owner, (state_dir, *flags), mounts, stdio, &cache)?;
        let restored = gantry_runtime::restore(&options, &RestoreOptions::new(criu))?;
        let gantry_runtime::Created { pid, pidfd, terminal } = restored;
        Ok(Started { pid, pidfd, terminal })
    }

    /// Changes limits; `json` is what they were parsed from.
    pub(crate) fn update(
        &self,
        resources: &LinuxResources,
        json: &[u8],
    ) -> Result<Progress<()>, Error> {
        match self {
            Self::Own { state_dir, .. } => {
                Ok(Progress::Done(gantry_runtime::update(state_dir, resources)?))
            }
            Self::Other(other) => other.update(json),
        }
    }

    /// The container's processes, as the shim's pid namespace numbers them; `first` is the first, if it lives.
    pub(crate) fn processes(&self, first: Option<u32>) -> Result<Vec<i32>, Error> {
        match self {
            Self::Own { state_dir, .. } => Ok(gantry_runtime::processes(state_dir)?),
            Self::Other(_) => {
                other::cgroup_of(first)?.pids().map_err(|source| Error::Stats { source })
            }
        }
    }

    /// The container's cgroup; `first` is its first process, if it lives.
    pub(crate) fn cgroup(&self, first: Option<u32>) -> Result<Cgroup, Error> {
        match self {
            Self::Own { state_dir, .. } => Ok(gantry_runtime::cgroup(state_dir)?),
            Self::Other(_) => other::cgroup_of(first),
        }
    }

    /// Removes the container, whatever it does, and everything that was made for it. One that is gone
    /// already is none to complain about.
    pub(crate) fn delete(&self) -> Result<Progress<()>, Error> {
        match self {
            Self::Own { state_dir, .. } => {
                match gantry_runtime::delete(state_dir, DeleteMode::Force) {
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    // By the specification a hook that fails now is worth a warning.
                    warnings => warnings?.iter().for_each(|warning| complain(warning)),
                }
                Ok(Progress::Done(()))
            }
            Self::Other(other) => other.delete(),
        }
    }
}

/// How the runtime inside the shim makes a container. Makes the directory of its records.
fn own_options<'a>(
    owner: Owner<'a>,
    (state_dir, flags): (&'a Path, CreateFlags),
    mounts: &'a [RootfsMount],
    stdio: Stdio,
    filter_cache: &'a Path,
) -> Result<CreateOptions<'a>, Error> {
    if let Some(parent) = state_dir.parent() {
        make_private(parent)?;
    }
    let rootfs = if mounts.is_empty() { Rootfs::FromSpec } else { Rootfs::Mounts(mounts) };
    Ok(CreateOptions {
        rootfs,
        stdio,
        flags,
        filter_cache: Some(filter_cache),
        ..CreateOptions::new(owner.id, owner.bundle, state_dir)
    })
}

/// Compiled system call filters, beside the bundles: all shims of a daemon's containers have them in common. Callers pass over hidden
/// names when they look for bundles, and no container's id begins like that.
fn filter_cache(bundle: &Path) -> PathBuf {
    bundle.with_file_name(FILTER_CACHE)
}

fn not_with_another(what: &str) -> Error {
    Error::NotThereYet { what: format!("{what} with another runtime's program") }
}

/// The directory that a runtime's records go to: the root that was asked for, and the namespace in it.
/// Both names come from clients.
fn root(owner: Owner<'_>, root: &str) -> Result<Option<PathBuf>, Error> {
    if root.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: String| Err(Error::Invalid { reason });
    if !Path::new(root).is_absolute() {
        return refuse(format!("the runtime's root {root:?} is not an absolute path"));
    }
    for name in [owner.namespace, owner.id] {
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return refuse(format!("{name:?} cannot be the name of a directory"));
        }
    }
    Ok(Some(Path::new(root).join(owner.namespace)))
}

fn make_private(directory: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(Error::file("create directory", directory))
}
