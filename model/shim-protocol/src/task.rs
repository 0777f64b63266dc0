//! The messages of containerd's task API; versions 2 and 3 share them. The events that a shim
//! publishes are in [`crate::event`].
//!
//! Follows `api/runtime/task/v2/shim.proto` and `v3/shim.proto` of containerd. `exec_id` is empty
//! for the container's first process.

use crate::rpc::Any;
use crate::wire::{Error, Field, Value, messages};
use gantry_types::Timestamp;
use std::collections::BTreeMap;

/// The type URL under which a process of the OCI runtime spec travels as JSON in an [`Any`].
pub const PROCESS_TYPE_URL: &str = "types.containerd.io/opencontainers/runtime-spec/1/Process";
/// The same for resource limits.
pub const RESOURCES_TYPE_URL: &str =
    "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";

/// Where a process stands in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TaskStatus {
    #[default]
    Unknown,
    Created,
    Running,
    Stopped,
    Paused,
    Pausing,
}

impl Value for TaskStatus {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        let value: u32 = match self {
            Self::Unknown => 0,
            Self::Created => 1,
            Self::Running => 2,
            Self::Stopped => 3,
            Self::Paused => 4,
            Self::Pausing => 5,
        };
        value.write(number, out);
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        *self = match field.varint()? {
            1 => Self::Created,
            2 => Self::Running,
            3 => Self::Stopped,
            4 => Self::Paused,
            5 => Self::Pausing,
            // proto3 enums are open: a status of a later version is not an error.
            _ => Self::Unknown,
        };
        Ok(())
    }
}

/// The type URL of [`CheckpointOptions`].
pub const CHECKPOINT_OPTIONS_TYPE_URL: &str = "containerd.runc.v1.CheckpointOptions";
/// The type URL of [`RuncOptions`].
pub const RUNC_OPTIONS_TYPE_URL: &str = "containerd.runc.v1.Options";
/// The type URL of [`ProcessDetails`].
pub const PROCESS_DETAILS_TYPE_URL: &str = "containerd.runc.v1.ProcessDetails";

messages! {
    /// What containerd can say to a runtime of runc's kind (`containerd.runc.v1.Options`), as far as it
    /// concerns us.
    pub struct RuncOptions {
        1 => no_pivot_root: bool,
        2 => no_new_keyring: bool,
        /// The cgroup that the shim itself runs in.
        3 => shim_cgroup: String,
        /// Who owns the process's ends of its pipes.
        4 => io_uid: u32,
        5 => io_gid: u32,
        /// Another runtime's program.
        6 => binary_name: String,
        /// Where the runtime keeps its records, one directory for each namespace in it.
        7 => root: String,
        9 => systemd_cgroup: bool,
        11 => criu_work_path: String,
    }

    /// How a container is written to files (`containerd.runc.v1.CheckpointOptions`).
    pub struct CheckpointOptions {
        /// The container ends; else it runs on.
        1 => exit: bool,
        2 => open_tcp: bool,
        3 => external_unix_sockets: bool,
        4 => terminal: bool,
        5 => file_locks: bool,
        /// Names of namespaces that are not written.
        6 => empty_namespaces: Vec<String>,
        7 => cgroups_mode: String,
        /// Instead of the request's path.
        8 => image_path: String,
        9 => work_path: String,
    }

    /// What [`ProcessInfo`] tells of a process that an exec started (`containerd.runc.v1.ProcessDetails`).
    pub struct ProcessDetails {
        1 => exec_id: String,
    }

    /// One mount of a root file system (`containerd.types.Mount`).
    pub struct Mount {
        /// The file system type, such as `overlay` or `bind`.
        1 => kind: String,
        2 => source: String,
        /// Where below the root; empty is the root itself.
        3 => target: String,
        4 => options: Vec<String>,
    }

    /// Makes the container and its first process, which waits for Start.
    pub struct CreateTaskRequest {
        1 => id: String,
        2 => bundle: String,
        3 => rootfs: Vec<Mount>,
        4 => terminal: bool,
        /// Stdio URIs, see [`crate::stdio`].
        5 => stdin: String,
        6 => stdout: String,
        7 => stderr: String,
        8 => checkpoint: String,
        9 => parent_checkpoint: String,
        10 => options: Option<Any>,
    }

    pub struct CreateTaskResponse {
        1 => pid: u32,
    }

    /// Starts what Create or Exec prepared.
    pub struct StartRequest {
        1 => id: String,
        2 => exec_id: String,
    }

    pub struct StartResponse {
        1 => pid: u32,
    }

    /// Forgets a process that has ended; without an exec id the container as well.
    pub struct DeleteRequest {
        1 => id: String,
        2 => exec_id: String,
    }

    pub struct DeleteResponse {
        1 => pid: u32,
        2 => exit_status: u32,
        3 => exited_at: Option<Timestamp>,
    }

    /// Prepares a further process in the container; Start runs it.
    pub struct ExecProcessRequest {
        1 => id: String,
        2 => exec_id: String,
        3 => terminal: bool,
        4 => stdin: String,
        5 => stdout: String,
        6 => stderr: String,
        /// The process as JSON of the OCI runtime spec, see [`PROCESS_TYPE_URL`].
        7 => spec: Option<Any>,
    }

    /// Tells the terminal its size in characters.
    pub struct ResizePtyRequest {
        1 => id: String,
        2 => exec_id: String,
        3 => width: u32,
        4 => height: u32,
    }

    pub struct StateRequest {
        1 => id: String,
        2 => exec_id: String,
    }

    pub struct StateResponse {
        1 => id: String,
        2 => bundle: String,
        3 => pid: u32,
        4 => status: TaskStatus,
        5 => stdin: String,
        6 => stdout: String,
        7 => stderr: String,
        8 => terminal: bool,
        9 => exit_status: u32,
        10 => exited_at: Option<Timestamp>,
        11 => exec_id: String,
    }

    /// Sends a signal to one process, or to `all` of the container.
    pub struct KillRequest {
        1 => id: String,
        2 => exec_id: String,
        3 => signal: u32,
        4 => all: bool,
    }

    /// Closes a process's input: it reads end-of-file.
    pub struct CloseIoRequest {
        1 => id: String,
        2 => exec_id: String,
        3 => stdin: bool,
    }

    pub struct PidsRequest {
        1 => id: String,
    }

    pub struct PidsResponse {
        1 => processes: Vec<ProcessInfo>,
    }

    /// One process of a container, by its pid on the host.
    pub struct ProcessInfo {
        1 => pid: u32,
        2 => info: Option<Any>,
    }

    pub struct CheckpointTaskRequest {
        1 => id: String,
        2 => path: String,
        3 => options: Option<Any>,
    }

    /// Changes resource limits; the JSON of the OCI runtime spec, see [`RESOURCES_TYPE_URL`].
    pub struct UpdateTaskRequest {
        1 => id: String,
        2 => resources: Option<Any>,
        3 => annotations: BTreeMap<String, String>,
    }

    /// Answered when the process has ended.
    pub struct WaitRequest {
        1 => id: String,
        2 => exec_id: String,
    }

    pub struct WaitResponse {
        1 => exit_status: u32,
        2 => exited_at: Option<Timestamp>,
    }

    pub struct StatsRequest {
        1 => id: String,
    }

    pub struct StatsResponse {
        1 => stats: Option<Any>,
    }

    pub struct ConnectRequest {
        1 => id: String,
    }

    pub struct ConnectResponse {
        1 => shim_pid: u32,
        2 => task_pid: u32,
        3 => version: String,
    }

    /// Ends the shim when it holds no task any more.
    pub struct ShutdownRequest {
        1 => id: String,
        2 => now: bool,
    }

    pub struct PauseRequest {
        1 => id: String,
    }

    pub struct ResumeRequest {
        1 => id: String,
    }
}

#[cfg(test)]
mod tests;
