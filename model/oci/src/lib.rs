//! Documents of the Open Container Initiative: image-spec and runtime-spec, as plain data.
//!
//! No I/O and no judgement lives here: what a document means is decided by those who act on it.

pub mod image;
pub mod runtime;
