//! Processor and disk scheduling of the calling thread, and the processors that it may have.

use std::io;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

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

/// The processors that the calling thread may run on but for the one that it runs on now, when any of them has nothing to do.
///
/// A kernel may start a new process on the processor of its maker although another is idle: it spares power, or the host's processors
/// under a virtual machine's.
pub(crate) fn idle_processors() -> Option<CpuSet> {
    let mut allowed = sched_getaffinity(None).ok()?;
    if running()? >= allowed.count() {
        return None;
    }
    let here = sched_getcpu();
    if here < CpuSet::MAX_CPU {
        allowed.unset(here);
    }
    (allowed.count() > 0).then_some(allowed)
}

/// How many threads run on all processors or wait for one, the calling one included (proc(5), `loadavg`).
fn running() -> Option<u32> {
    let mut text = [0; 64];
    let file = open("/proc/loadavg", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let length = rustix::io::read(file, &mut text).ok()?;
    let text = std::str::from_utf8(text.get(..length)?).ok()?;
    text.split(' ').nth(3)?.split('/').next()?.parse().ok()
}

/// Has a process with one thread run on these processors only. Where the kernel does not let it, it runs where it would.
pub(crate) fn keep_on(process: Pid, processors: &CpuSet) {
    sched_setaffinity(Some(process), processors).ok();
}
