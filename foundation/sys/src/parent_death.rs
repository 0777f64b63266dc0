//! Programs that do not outlive whoever started them: a signal of the kernel's, asked for between fork and exec.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// Has `command` killed when the thread ends that starts it, with its process at the latest (`PR_SET_PDEATHSIG`): that thread must wait
/// for the command. What the command starts itself is not killed.
pub fn dies_with_thread(command: &mut Command) -> &mut Command {
    let parent = Some(getpid());
    let ask = move || {
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)?;
        // The parent may have ended before.
        if getppid() == parent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: the closure is system calls on a copied number: no allocation, no lock.
    unsafe { command.pre_exec(ask) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Stdio;
    use std::thread;

    use super::*;

    #[test]
    fn the_child_ends_with_the_thread_that_started_it() {
        let start = || {
            let mut command = Command::new("/bin/sleep");
            dies_with_thread(command.arg("1000").stdin(Stdio::null())).spawn().unwrap()
        };
        let mut child = thread::spawn(start).join().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
    }
}
