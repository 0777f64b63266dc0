//! What a process can say about itself and about others: identity by start time, subreaper, session, personality.

use std::{fs, io};

use rustix::process::{DumpableBehavior, Pid};

use crate::check;

/// Orphans of this process's descendants become its children (`PR_SET_CHILD_SUBREAPER`).
pub fn set_child_subreaper() -> io::Result<()> {
    // Any pid means "on".
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Makes the process the leader of a new session without a terminal.
pub fn setsid() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// While off, `/proc/<pid>` belongs to root, and only a tracer with `CAP_SYS_PTRACE` in our user namespace may look inside.
pub fn set_dumpable(on: bool) -> io::Result<()> {
    let behavior = if on { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable };
    Ok(rustix::process::set_dumpable_behavior(behavior)?)
}

/// The signal this process gets when its parent thread ends.
pub fn kill_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?)
}

/// When a process started, in clock ticks since boot (field 22 of proc(5)'s `stat`): with the pid it names one process for ever.
///
/// A process that is gone is [`io::ErrorKind::NotFound`].
pub fn start_time(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_start_time(&stat)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable process status"))
}

/// The program's name is in parentheses and may itself hold spaces and parentheses: count from the last one.
fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(19)?.parse().ok()
}

/// `personality(2)`.
pub fn set_personality(persona: u32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::personality(persona.into()) }.into())?;
    Ok(())
}

/// Makes the terminal behind standard input the controlling one of this session.
pub fn take_terminal() -> io::Result<()> {
    Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
}

/// This process's own number in its pid namespace.
pub fn pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// The number of this process's parent in its pid namespace; zero for one outside of it.
pub fn parent_pid() -> i32 {
    rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get())
}

/// Ends the process at once: no destructors, no handlers, no flushing. For forked children.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: ends the process; nothing after it can observe broken state.
    unsafe { libc::_exit(code.into()) }
}

/// Whether a process exists that we may signal or at least see.
pub fn exists(pid: i32) -> bool {
    let Some(pid) = Pid::from_raw(pid) else { return false };
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_is_found_behind_a_hostile_name() {
        let fields = (4..=22).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let stat = format!("7 (a) R 1 (b)) S {fields} 23");
        assert_eq!(parse_start_time(&stat), Some(22));
        assert_eq!(parse_start_time("7 (a"), None);
    }

    #[test]
    fn our_own_start_time_stays_and_a_missing_process_is_not_found() {
        assert_eq!(start_time(pid()).unwrap(), start_time(pid()).unwrap());
        assert_eq!(start_time(i32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(exists(pid()) && !exists(i32::MAX));
    }
}
