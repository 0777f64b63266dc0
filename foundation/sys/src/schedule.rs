//! Processor and disk scheduling of the calling thread.

use std::io;

use crate::check;

/// The argument of `sched_setattr(2)`; times in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SchedAttr {
    /// Size of this structure; set by [`set`].
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// `sched_setattr(2)` for the calling thread.
pub fn set(attributes: SchedAttr) -> io::Result<()> {
    let size = u32::try_from(size_of::<SchedAttr>()).unwrap_or(0);
    let attributes = SchedAttr { size, ..attributes };
    // SAFETY: `attributes` has the kernel's layout, states its size and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) })?;
    Ok(())
}

/// `ioprio_set(2)` for the calling thread; `class` 1 is real time, 2 best effort, 3 idle.
pub fn set_io_priority(class: u16, priority: u16) -> io::Result<()> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    let value = libc::c_int::from(class) << 13 | libc::c_int::from(priority);
    // SAFETY: takes no pointers.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) })?;
    Ok(())
}
