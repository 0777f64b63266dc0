//! The language between a daemon and its shims: containerd's task API (versions 2 and 3), the ttrpc
//! frames that carry it, and what Gantry adds to it (stdio URIs, the attach header of `io.sock`,
//! the lines of the `exits` file).
//!
//! Everything here is a value or a pure function over bytes: no sockets, no files, no clock. Who
//! speaks this language lives in `services/shims` (the daemon's side) and `bin/gantry-shim`.

pub mod attach;
pub mod bootstrap;
mod error;
pub mod event;
pub mod exit;
pub mod frame;
pub mod group;
pub mod info;
pub mod log_figures;
pub mod metrics;
pub mod rpc;
pub mod stdio;
pub mod task;

pub use error::Error;
/// The codec of the messages.
pub use gantry_protobuf as wire;

/// The task service as containerd 1.x calls it.
pub const TASK_SERVICE_V2: &str = "containerd.task.v2.Task";
/// The task service as containerd 2.x calls it; the messages are the same.
pub const TASK_SERVICE_V3: &str = "containerd.task.v3.Task";

/// The task API's socket inside a bundle.
pub const TASK_SOCKET: &str = "task.sock";
/// The attach socket inside a bundle (see [`attach`]).
pub const IO_SOCKET: &str = "io.sock";
/// The file inside a bundle that holds the task socket's address, for reconnecting.
pub const ADDRESS_FILE: &str = "address";
/// The file inside a bundle that holds one [`exit::ExitRecord`] a line.
pub const EXITS_FILE: &str = "exits";

/// The file inside a bundle that holds [`log_figures::LogFigures`], once there is something to count.
pub const LOG_FIGURES_FILE: &str = "log-figures";

/// The file inside a bundle that tells how its container is run, when that is not the usual way.
pub const RUNTIME_FILE: &str = "runtime.json";
/// The file inside a bundle that names the file of the group it belongs to (see [`group`]).
pub const GROUP_FILE: &str = "group";

/// What the lengths of names inside messages are held to (container id, exec id).
pub const MAX_ID_BYTES: usize = 255;
