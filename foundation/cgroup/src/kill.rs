//! Ending all processes of a cgroup.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::cgroup::Cgroup;
use crate::error::Error;
use crate::others::Other;

/// Without a freezer, how often to look for processes that were born meanwhile.
const ROUNDS: usize = 100;

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
        for &pid in &pids {
            let Some(process) = Pid::from_raw(pid) else { continue };
            match kill_process(process, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => {
                    let directory = self.members.first().map(|it| it.directory.path().to_owned());
                    return Err(Error::Kill {
                        pid,
                        directory: directory.unwrap_or_default(),
                        source: error.into(),
                    });
                }
            }
        }
        Ok(pids.len())
    }
}
