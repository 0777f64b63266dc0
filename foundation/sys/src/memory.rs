//! Where the calling thread's memory comes from on machines with several nodes.

use std::io;

use crate::check;

/// `set_mempolicy(2)`: `mode` with its flags, and the nodes as bits of `mask`, the lowest bit of the first word for node 0.
pub fn set_memory_policy(mode: u32, mask: &[u64]) -> io::Result<()> {
    // The kernel takes one less than it is told to be the number of bits.
    let bits = if mask.is_empty() { 0 } else { mask.len() * 64 + 1 };
    let nodes = if mask.is_empty() { std::ptr::null() } else { mask.as_ptr() };
    // SAFETY: the kernel reads `bits - 1` bits from `nodes`, which outlives the call, or nothing from a null pointer.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, nodes, bits) })?;
    Ok(())
}
