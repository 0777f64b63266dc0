//! Ending all processes of a cgroup.

use std::io;
use std::os::fd::AsFd;

use gantry_sys::pidfd;
use gantry_types::Signal;
use rustix::io::Errno;

use crate::cgroup::Cgroup;
use crate::error::Error;
use crate::others::Other;

/// Without a freezer, how often to look for processes that were born meanwhile.
const ROUNDS: usize = 100;
/// Processes that are held by descriptors at a time.
const HANDLES_AT_ONCE: usize = 128;

impl Cgroup {
    /// Sends SIGKILL to every process in the cgroup and below it, so that none escapes by forking, frozen ones included.
    /// It does not wait for them to be gone; [`Cgroup::remove`] does.
    pub fn kill(&self) -> Result<(), Error> {
        // cgroup.kill (Linux 5.14) is one write, whatever the number of processes; a hybrid machine has it, too.
        if let Some(member) = self.unified()
            && member.directory.has("cgroup.kill")
        {
            member.directory.write("cgroup.kill", "1")?;
            // What v1's freezer holds, or is about to, dies only when it is let go.
            return self.release();
        }
        self.kill_except(&[])
    }

    /// The same for a cgroup that had others below it before it was ours: the processes in these live on. They may stand still meanwhile.
    pub fn kill_except(&self, others: &[Other]) -> Result<(), Error> {
        // The kernel's own way spares nobody below.
        if others.is_empty() && self.unified().is_some_and(|it| it.directory.has("cgroup.kill")) {
            return self.kill();
        }
        if self.freeze().is_ok() {
            let killed = self.kill_each(others);
            // A frozen process dies when it is let go.
            self.thaw()?;
            return killed.map(|_| ());
        }
        for _ in 0..ROUNDS {
            if self.kill_each(others)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Kills what is there now, and says how many that were.
    fn kill_each(&self, others: &[Other]) -> Result<usize, Error> {
        let pids = self.pids_except(others)?;
        for pids in pids.chunks(HANDLES_AT_ONCE) {
            let handles = pids.iter().filter_map(|&pid| match pidfd::open(pid) {
                Err(error) if is_nobody(&error) => None,
                opened => {
                    Some(opened.map(|handle| (pid, handle)).map_err(|it| self.alive(pid, it)))
                }
            });
            let handles = handles.collect::<Result<Vec<_>, _>>()?;
            // A number may have come to mean a stranger since it was read. Who is still there is who the handle holds, or has died.
            let mut still = self.pids_except(others)?;
            still.sort_unstable();
            let is_still_there = |pid: &i32| still.binary_search(pid).is_ok();
            for (pid, handle) in handles.iter().filter(|(pid, _)| is_still_there(pid)) {
                match pidfd::send_signal(handle.as_fd(), Signal::KILL) {
                    Err(error) if !is_gone(&error) => return Err(self.alive(*pid, error)),
                    _ => {}
                }
            }
        }
        Ok(pids.len())
    }

    fn alive(&self, pid: i32, source: io::Error) -> Error {
        let directory = self.members.first().map(|it| it.directory.path().to_owned());
        Error::Kill { pid, directory: directory.unwrap_or_default(), source }
    }
}

fn is_gone(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::SRCH)
}

/// Whether `pidfd_open(2)` found no process. Of one that is reaped meanwhile, and of a number that is a thread's now, older kernels say
/// `EINVAL` and newer ones `ENOENT`.
fn is_nobody(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::SRCH | Errno::NOENT | Errno::INVAL))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn a_number_that_has_come_to_be_a_threads_is_nobody() {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            ended.recv().ok();
        });
        let number = told.recv().unwrap();
        let of_a_thread = pidfd::open(number).unwrap_err();
        drop(end);
        thread.join().unwrap();
        assert!(is_nobody(&of_a_thread), "{of_a_thread}");
        for errno in [Errno::SRCH, Errno::NOENT, Errno::INVAL] {
            assert!(is_nobody(&errno.into()), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NOMEM, Errno::PERM, Errno::NOSYS] {
            assert!(!is_nobody(&errno.into()), "{errno}");
        }
    }
}
