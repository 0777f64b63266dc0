//! The OCI runtime: makes containers out of bundles and runs, signals and removes them.
//!
//! Synchronous, for processes with one thread: a container's first process starts as a copy of the caller's. It never ends the calling
//! process, never waits for the container's program, prints nothing, and runs no other program on the host except the hooks that a
//! bundle asks for.
//!
//! Where things are: `create` and `exec` are the parent's sides, `init` and `enter` what the new process does to itself; `plan` turns a
//! bundle's document into checked values before anything is touched; `root` is the only way to a path inside a container; the small
//! operations have a file each.

mod birthplace;
mod channel;
mod command;
mod copy_up;
mod create;
mod credentials;
mod delete;
mod enter;
mod error;
mod exec;
mod failure;
mod filesystem;
mod filter;
mod gate;
mod hooks;
mod id_map;
mod identity;
mod init;
mod inspect;
mod listener;
mod options;
mod placeholder;
mod plan;
mod prepare;
mod program;
mod record;
mod rollback;
mod root;
mod signal;
mod start;
mod systemd;
mod terminal;

pub use create::create;
pub use delete::{DeleteMode, delete};
pub use error::Error;
pub use exec::exec;
pub use inspect::{bundle, cgroup, created_at, processes, state, update};
pub use options::{
    CreateFlags, CreateOptions, Created, ExecOptions, Rootfs, RootfsMount, SYSTEM_BUS, Started,
    Stdio, notify_socket,
};
pub use plan::capability_names;
pub use signal::{KillScope, kill, pause, resume};
pub use start::start;
