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
    stat_field(pid, 22)
}

/// Whether a process is on its way out, or has ended and nobody has heard of it (`PF_EXITING`, in field 9 of `stat`).
///
/// A process that is gone is [`io::ErrorKind::NotFound`].
pub fn is_exiting(pid: i32) -> io::Result<bool> {
    const EXITING: u64 = 0x4;
    Ok(stat_field(pid, 9)? & EXITING != 0)
}

fn stat_field(pid: i32, number: usize) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&stat, number)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable process status"))
}

/// The program's name, the second field, is in parentheses and may itself hold spaces and parentheses: count from the last one.
fn parse_stat(stat: &str, number: usize) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(number.checked_sub(3)?)?.parse().ok()
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
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn fields_are_found_behind_a_hostile_name() {
        let fields = (4..=22).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let stat = format!("7 (a) R 1 (b)) S {fields} 23");
        assert_eq!((parse_stat(&stat, 22), parse_stat(&stat, 9)), (Some(22), Some(9)));
        assert_eq!((parse_stat("7 (a", 22), parse_stat(&stat, 2)), (None, None));
    }

    #[test]
    fn our_own_start_time_stays_and_a_missing_process_is_not_found() {
        assert_eq!(start_time(pid()).unwrap(), start_time(pid()).unwrap());
        assert_eq!(start_time(i32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(exists(pid()) && !exists(i32::MAX));
    }

    #[test]
    fn who_has_ended_is_exiting_until_it_is_heard_of() {
        assert!(!is_exiting(pid()).unwrap());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let number = child.id().cast_signed();
        let handle = crate::pidfd::open(number).unwrap();
        assert!(crate::pidfd::wait_ended(handle.as_fd(), None).unwrap());
        assert!(is_exiting(number).unwrap());
        child.wait().unwrap();
        assert_eq!(is_exiting(number).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
