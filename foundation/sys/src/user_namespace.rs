//! User namespaces that nobody lives in: the kernel takes mappings of ids for mounts from them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use gantry_types::Signal;

use crate::clone::{Child, Fork, Namespaces, clone_for_calls};
use crate::{pidfd, process};

/// Makes a user namespace with these mappings (`user_namespaces(7)`: lines of inner id, outer id and count) and returns it. It is there as
/// long as the descriptor, or a mount that uses it.
///
/// # Errors
/// The kernel has no user namespaces, there are too many of them, or it refuses the mappings.
pub fn user_namespace(uids: &str, gids: &str) -> io::Result<OwnedFd> {
    let parent = process::pid();
    match clone_for_calls(Namespaces::USER)? {
        Fork::Child => {
            // Whatever fails here, the parent ends this process.
            drop(process::kill_with_parent());
            // But for one that died before that: this process would stay, with copies of its descriptors and the locks that they hold.
            while process::parent_pid() == parent {
                // SAFETY: takes nothing and touches nothing.
                unsafe { libc::pause() };
            }
            process::exit_now(1)
        }
        Fork::Parent(child) => {
            let made = take(&child, uids, gids);
            drop(pidfd::send_signal(child.pidfd.as_fd(), Signal::KILL));
            drop(pidfd::wait(child.pidfd.as_fd()));
            made
        }
    }
}

fn take(child: &Child, uids: &str, gids: &str) -> io::Result<OwnedFd> {
    let place = |file: &str| format!("/proc/{}/{file}", child.pid);
    fs::write(place("uid_map"), uids)?;
    fs::write(place("gid_map"), gids)?;
    Ok(File::open(place("ns/user"))?.into())
}

#[cfg(test)]
mod tests {
    use rustix::process::geteuid;

    use super::*;

    #[test]
    fn mappings_are_as_written() {
        if !geteuid().is_root() {
            return;
        }
        let namespace = user_namespace("0 100000 65536\n", "0 200000 10\n10 300000 5\n").unwrap();
        assert_eq!(crate::clone::namespace_kind(namespace.as_fd()).unwrap(), Namespaces::USER);
        user_namespace("0 100000 65536\n5 200000 10\n", "0 200000 10\n").unwrap_err();
    }
}
