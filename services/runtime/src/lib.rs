//! The OCI runtime: makes containers out of bundles and runs, signals and removes them.
//!
//! Synchronous, for processes with one thread: a container's first process starts as a copy of the caller's. It never ends the calling
//! process, never waits for the container's program, prints nothing, and runs no other program on the host except the hooks that a
//! bundle asks for, for an ordinary user the two tools that map his subordinate ids, and CRIU for `checkpoint` and `restore`.
//!
//! Where things are: `create` and `exec` are the parent's sides, `init` and `enter` what the new process does to itself; `plan` turns a
//! bundle's document into checked values before anything is touched; `root` is the only way to a path inside a container; the small
//! operations have a file each.

mod birthplace;
mod channel;
mod checkpoint;
mod command;
mod copy_up;
mod create;
mod credentials;
mod delete;
mod enter;
mod error;
mod exec;
mod failure;
mod features;
mod filesystem;
mod filter;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gate;
mod groundwork;
mod hooks;
mod id_map;
mod identity;
mod init;
mod inspect;
mod labels;
mod listener;
mod mount_root;
mod net_devices;
mod numbered;
mod options;
mod placeholder;
mod plan;
mod prepare;
mod procfs;
mod program;
mod record;
mod resctrl;
mod rollback;
mod root;
mod rootless;
mod signal;
mod start;
mod systemd;
mod terminal;

pub use checkpoint::{
    AfterDump, CgroupMode, CheckpointOptions, CriuOptions, PageServer, RestoreOptions, Switch,
    checkpoint, find_criu, restore,
};
pub use create::{create, create_to_run};
pub use delete::{DeleteMode, Remains, delete};
pub use error::Error;
pub use exec::{exec, exec_from};
pub use features::features;
pub use inspect::{
    bundle, cgroup, cgroup_path, created_at, processes, state, update, update_resctrl,
};
pub use mount_root::mount_root;
pub use numbered::with_numbers;
pub use options::{
    CgroupRefusals, CreateFlags, CreateOptions, Created, ExecOptions, Rootfs, RootfsMount,
    SYSTEM_BUS, Started, Stdio, notify_socket,
};
pub use plan::capability_warnings;
pub use rootless::Caller;
pub use signal::{KillScope, kill, pause, resume};
pub use start::{Door, start};
