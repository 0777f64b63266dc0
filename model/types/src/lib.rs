//! The vocabulary of Gantry: ids, names, digests, image references, signals, sizes, timestamps and error kinds.
//!
//! Each type is checked once, when it is parsed; from then on the type is the proof. Nothing here does I/O,
//! reads a clock or knows the operating system.

mod address;
mod container_name;
pub mod csv;
mod digest;
mod duration;
mod error_chain;
mod error_kind;
mod fault;
mod filters;
mod hex;
mod id;
mod image_reference;
mod search_path;
mod signal;
mod size;
mod timestamp;

pub use address::{percent_decoded, without_password};
pub use container_name::{ContainerName, InvalidName};
pub use digest::{Algorithm, Digest, InvalidDigest};
pub use duration::duration_nanos;
pub use error_chain::error_chain;
pub use error_kind::ErrorKind;
pub use fault::{Fault, Severity};
pub use filters::{Filters, InvalidFilter};
pub use id::{ContainerId, EndpointId, ExecId, InvalidId, NetworkId};
pub use image_reference::{ImageReference, InvalidReference};
pub use search_path::SEARCH_PATH;
pub use signal::{Signal, UnknownSignal};
pub use size::{ByteSize, InvalidSize};
pub use timestamp::{InvalidTimestamp, Timestamp};
