//! How many descriptors a process may have (`RLIMIT_NOFILE`): a daemon raises its own limit, and the programs it starts get the one
//! that it was started with. Programs that use `select(2)` rely on a low limit.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limits at the start, once they were raised.
static FIRST: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit to the hard one.
pub fn raise_limit() -> io::Result<()> {
    let found = getrlimit(Resource::Nofile);
    if found.current == found.maximum {
        return Ok(());
    }
    FIRST.get_or_init(|| found);
    let raised = Rlimit { current: found.maximum, maximum: found.maximum };
    setrlimit(Resource::Nofile, raised).map_err(io::Error::from)
}

/// Has `command` run with the limit from before [`raise_limit`]. Where that changed nothing, this does nothing either: what runs between
/// fork and exec makes a start slower.
pub fn with_first_limit(command: &mut Command) -> &mut Command {
    let Some(first) = FIRST.get().copied() else { return command };
    let lower = move || setrlimit(Resource::Nofile, first).map_err(io::Error::from);
    // SAFETY: the closure is one system call on copied numbers: no allocation, no lock.
    unsafe { command.pre_exec(lower) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only test that touches this process's limit.
    #[test]
    fn programs_get_the_limit_from_before() {
        let shown = |command: &mut Command| {
            let output = command.args(["-c", "ulimit -n"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse::<u64>().unwrap()
        };
        let hard = getrlimit(Resource::Nofile).maximum;
        let first = hard.map_or(900, |hard| hard - 1);
        setrlimit(Resource::Nofile, Rlimit { current: Some(first), maximum: hard }).unwrap();
        raise_limit().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
        assert_eq!(shown(with_first_limit(&mut Command::new("/bin/sh"))), first);
        if let Some(hard) = hard {
            assert_eq!(shown(&mut Command::new("/bin/sh")), hard);
        }
        // A second time changes neither.
        raise_limit().unwrap();
        assert_eq!(shown(with_first_limit(&mut Command::new("/bin/sh"))), first);
    }
}
