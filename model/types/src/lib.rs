//! The vocabulary of Gantry: ids, names, digests, image references, signals, sizes, timestamps and error kinds.
//!
//! Each type is checked once, when it is parsed; from then on the type is the proof. Nothing here does I/O,
//! reads a clock or knows the operating system.

mod container_name;
mod digest;
mod error_chain;
mod error_kind;
mod filters;
mod hex;
mod id;
mod image_reference;
mod signal;
mod size;
mod timestamp;

pub use container_name::{ContainerName, InvalidName};
pub use digest::{Algorithm, Digest, InvalidDigest};
pub use error_chain::error_chain;
pub use error_kind::ErrorKind;
pub use filters::{Filters, InvalidFilter};
pub use id::{ContainerId, ExecId, InvalidId};
pub use image_reference::{ImageReference, InvalidReference};
pub use signal::{Signal, UnknownSignal};
pub use size::{ByteSize, InvalidSize};
pub use timestamp::{InvalidTimestamp, Timestamp};
