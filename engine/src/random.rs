//! Random bytes for ids and names, and how bytes are written in names.

use std::fmt::Write;

use crate::Result;
use crate::error::Error;

/// 32 bytes from the kernel.
pub(crate) fn bytes() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        let got =
            rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty());
        filled +=
            got.map_err(|errno| Error::file("read", "the kernel's random numbers")(errno.into()))?;
    }
    Ok(bytes)
}

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or(());
    }
    text
}
