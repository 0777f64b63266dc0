//! Containers: one file per use case, and the task that owns each container.

mod attach;
mod create;
mod devices;
mod etc_files;
mod exited;
mod inspect;
mod kill;
mod launch;
pub(crate) mod leftovers;
mod list;
mod logs;
mod remove;
mod rename;
mod resize;
mod restart;
mod restore;
mod start;
mod stop;
pub(crate) mod task;
mod wait;

pub(crate) use attach::connect;
pub use attach::{AttachOptions, Attachment, attach};
pub use create::{CreateQuery, create};
pub use gantry_shim_protocol::attach::Streams;
pub use inspect::inspect;
pub use kill::kill;
pub use list::{ListOptions, list};
pub use logs::{LogStream, LogsOptions, logs};
pub use remove::{RemoveOptions, remove};
pub use rename::rename;
pub use resize::{TerminalSize, resize};
pub use restart::restart;
pub(crate) use restore::restore;
pub use start::start;
pub use stop::{StopOptions, stop};
pub use wait::{WaitCondition, Waiting, wait};
