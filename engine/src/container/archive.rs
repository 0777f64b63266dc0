//! `cp`: files into and out of a container, running or not, as the container itself sees them.
//!
//! Nothing of what a container could have prepared is believed: its root is reached by its mount namespace or is put
//! together anew in a private one (`archive/root.rs`), paths are resolved by the kernel as if that root were the process's,
//! nothing but files and directories is opened, and what is written is written by a thread that has no other root.

mod ids;
mod owner;
mod place;
mod read;
mod room;
mod root;
mod stopped;
mod write;

pub use place::PathStat;
pub use read::{copy_out, stat};
pub(crate) use room::Rooms;
pub use write::{CopyInOptions, copy_in};
