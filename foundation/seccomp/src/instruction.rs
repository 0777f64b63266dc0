//! Classic BPF instructions as seccomp accepts them (`linux/filter.h`, `linux/bpf_common.h`).

/// One instruction, laid out like the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    /// How many instructions to skip when a comparison holds.
    pub jt: u8,
    /// How many instructions to skip when it does not.
    pub jf: u8,
    pub k: u32,
}

/// The kernel's limit for one program (`BPF_MAXINSNS`).
pub(crate) const MAX_INSTRUCTIONS: usize = 4096;

/// Load the 32-bit word of `struct seccomp_data` at offset `k`.
pub(crate) const LOAD: u16 = 0x20;
/// Keep only the bits of `k`.
pub(crate) const AND: u16 = 0x54;
/// Skip `k` instructions.
pub(crate) const JUMP: u16 = 0x05;
pub(crate) const JUMP_EQUAL: u16 = 0x15;
pub(crate) const JUMP_GREATER: u16 = 0x25;
pub(crate) const JUMP_GREATER_EQUAL: u16 = 0x35;
/// Answer `k`.
pub(crate) const RETURN: u16 = 0x06;

/// Where `struct seccomp_data` holds the number of the call.
pub(crate) const OFFSET_NUMBER: u32 = 0;
/// Where it holds the architecture.
pub(crate) const OFFSET_ARCHITECTURE: u32 = 4;

/// Where it holds the lower half of an argument; both machines are little-endian, so the upper half follows.
pub(crate) const fn argument_offset(index: u8) -> u32 {
    16 + 8 * index as u32
}
