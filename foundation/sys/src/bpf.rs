//! Device filters of cgroup v2: extended BPF programs, loaded and attached (`bpf(2)`).
//!
//! What a filter says is decided by `foundation/cgroup`; here are its instructions and the calls.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::check;

/// One instruction, as the kernel's `struct bpf_insn` on a little-endian machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    pub code: u8,
    /// The destination in the lower half, the source in the upper.
    pub registers: u8,
    pub offset: i16,
    pub value: i32,
}

/// Opcodes of the instructions here (`linux/bpf.h`).
pub const LOAD_WORD: u8 = 0x61;
pub const COPY: u8 = 0xbf;
pub const SET: u8 = 0xb7;
pub const AND: u8 = 0x54;
pub const SHIFT_RIGHT: u8 = 0x74;
pub const JUMP_IF_EQUAL: u8 = 0x16;
pub const JUMP_UNLESS_EQUAL: u8 = 0x56;
pub const EXIT: u8 = 0x95;

impl Instruction {
    const fn new(code: u8, registers: (u8, u8), offset: i16, value: i32) -> Self {
        Self { code, registers: registers.0 | registers.1 << 4, offset, value }
    }

    /// `to = *(u32 *)(from + offset)`.
    #[must_use]
    pub const fn load_word(to: u8, from: u8, offset: i16) -> Self {
        Self::new(LOAD_WORD, (to, from), offset, 0)
    }

    #[must_use]
    pub const fn copy(to: u8, from: u8) -> Self {
        Self::new(COPY, (to, from), 0, 0)
    }

    #[must_use]
    pub const fn set(to: u8, value: i32) -> Self {
        Self::new(SET, (to, 0), 0, value)
    }

    /// `to &= value`, on 32 bits.
    #[must_use]
    pub const fn and(to: u8, value: i32) -> Self {
        Self::new(AND, (to, 0), 0, value)
    }

    /// `to >>= bits`, on 32 bits.
    #[must_use]
    pub const fn shift_right(to: u8, bits: i32) -> Self {
        Self::new(SHIFT_RIGHT, (to, 0), 0, bits)
    }

    /// Skips `skipped` instructions when the lower 32 bits equal `value` (Linux 5.1).
    #[must_use]
    pub const fn jump_if_equal(register: u8, value: i32, skipped: i16) -> Self {
        Self::new(JUMP_IF_EQUAL, (register, 0), skipped, value)
    }

    /// Skips `skipped` instructions unless the lower 32 bits equal `value` (Linux 5.1).
    #[must_use]
    pub const fn jump_unless_equal(register: u8, value: i32, skipped: i16) -> Self {
        Self::new(JUMP_UNLESS_EQUAL, (register, 0), skipped, value)
    }

    /// Ends the program; register 0 is its answer.
    #[must_use]
    pub const fn exit() -> Self {
        Self::new(EXIT, (0, 0), 0, 0)
    }
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_TYPE_CGROUP_DEVICE: u32 = 6;
const FLAG_ALLOW_MULTI: u32 = 2;
const FLAG_REPLACE: u32 = 4;
/// A cgroup of ours has one; the kernel itself allows 64 on one cgroup.
const MAX_PROGRAMS: usize = 64;

#[repr(C)]
#[derive(Default)]
struct LoadArguments {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    program_flags: u32,
    name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct AttachArguments {
    target_fd: u32,
    program_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replaced_program_fd: u32,
}

#[repr(C)]
#[derive(Default)]
struct QueryArguments {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    program_ids: u64,
    program_count: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Default)]
struct IdArguments {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// Has the kernel verify and keep a device filter (Linux 4.15, `CAP_BPF` or `CAP_SYS_ADMIN`).
pub fn load_device_program(instructions: &[Instruction]) -> io::Result<OwnedFd> {
    // The licence opens helper functions that are for programs under the GPL only; none is used.
    let license = c"Apache-2.0";
    let mut arguments = LoadArguments {
        program_type: PROG_TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(instructions.len())
            .map_err(|_| io::ErrorKind::InvalidInput)?,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..LoadArguments::default()
    };
    arguments.name[..14].copy_from_slice(b"gantry_devices");
    // SAFETY: the structure begins like `union bpf_attr` of PROG_LOAD; what it points to outlives the call.
    let fd = check(unsafe {
        libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const arguments, size_of::<LoadArguments>())
    })?;
    owned(fd)
}

/// Adds a filter to a cgroup. All filters of a cgroup and of those above it must agree to an access.
pub fn attach_device_program(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let arguments = attach_arguments(cgroup, program, FLAG_ALLOW_MULTI);
    attach_call(PROG_ATTACH, &arguments)
}

/// Puts a filter in the place of one that is attached, at once (Linux 5.6).
pub fn replace_device_program(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replaced: BorrowedFd<'_>,
) -> io::Result<()> {
    let mut arguments = attach_arguments(cgroup, program, FLAG_ALLOW_MULTI | FLAG_REPLACE);
    arguments.replaced_program_fd = replaced.as_raw_fd().cast_unsigned();
    attach_call(PROG_ATTACH, &arguments)
}

/// Takes a filter off a cgroup.
pub fn detach_device_program(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    attach_call(PROG_DETACH, &attach_arguments(cgroup, program, 0))
}

/// The filters attached to a cgroup itself.
pub fn device_programs(cgroup: BorrowedFd<'_>) -> io::Result<Vec<OwnedFd>> {
    let mut ids = [0_u32; MAX_PROGRAMS];
    let mut arguments = QueryArguments {
        target_fd: cgroup.as_raw_fd().cast_unsigned(),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        program_ids: ids.as_mut_ptr() as u64,
        program_count: 64,
        ..QueryArguments::default()
    };
    // SAFETY: the structure begins like `union bpf_attr` of PROG_QUERY; it and the array of as many ids outlive the call.
    check(unsafe {
        libc::syscall(libc::SYS_bpf, PROG_QUERY, &raw mut arguments, size_of::<QueryArguments>())
    })?;
    let count = usize::try_from(arguments.program_count).unwrap_or(0).min(ids.len());
    ids[..count].iter().map(|&id| program_by_id(id)).collect()
}

fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    let arguments = IdArguments { id, ..IdArguments::default() };
    // SAFETY: the structure begins like `union bpf_attr` of PROG_GET_FD_BY_ID and outlives the call.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_bpf,
            PROG_GET_FD_BY_ID,
            &raw const arguments,
            size_of::<IdArguments>(),
        )
    })?;
    owned(fd)
}

fn attach_arguments(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    attach_flags: u32,
) -> AttachArguments {
    AttachArguments {
        target_fd: cgroup.as_raw_fd().cast_unsigned(),
        program_fd: program.as_raw_fd().cast_unsigned(),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        attach_flags,
        replaced_program_fd: 0,
    }
}

fn attach_call(command: libc::c_int, arguments: &AttachArguments) -> io::Result<()> {
    // SAFETY: the structure begins like `union bpf_attr` of PROG_ATTACH and PROG_DETACH and outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(arguments),
            size_of::<AttachArguments>(),
        )
    })?;
    Ok(())
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    let fd = i32::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the call just returned this descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
