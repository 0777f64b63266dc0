//! `--storage-opt`: what a container's writable layer may hold. Whether the disk can be kept to it is the layers' business.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use gantry_types::ByteSize;

use crate::error::Error;

/// Directories alone need some blocks.
const LEAST_BYTES: u64 = 64 << 10;

/// The size that was asked for, or the default; zero asks for none.
pub(super) fn size(
    options: &BTreeMap<String, String>,
    default: Option<NonZeroU64>,
) -> Result<Option<NonZeroU64>, Error> {
    let mut size = default;
    for (key, value) in options {
        if !key.eq_ignore_ascii_case("size") {
            return Err(Error::invalid(format!(
                "unknown storage option {key}={value}: size is the only one"
            )));
        }
        let asked: ByteSize = value
            .parse()
            .map_err(|error| Error::invalid(format!("--storage-opt size: {error}")))?;
        size = writable_layer_bytes(asked).map_err(Error::invalid)?;
    }
    Ok(size)
}

/// A writable layer's size in bytes; zero is no limit.
///
/// # Errors
/// The reason why it cannot be.
pub fn writable_layer_bytes(size: ByteSize) -> Result<Option<NonZeroU64>, String> {
    match size.bytes() {
        bytes @ 1..LEAST_BYTES => Err(format!(
            "the size of a writable layer cannot be below 64 KiB, and {bytes} bytes are"
        )),
        bytes => Ok(NonZeroU64::new(bytes)),
    }
}
