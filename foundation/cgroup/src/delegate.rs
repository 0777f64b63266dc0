//! Giving a cgroup to a user, so that a container can manage groups of its own below (`cgroups(7)`, "Cgroups v2 delegation").

use std::fs;
use std::io;

use rustix::fs::{AtFlags, Uid, chownat};
use rustix::io::Errno;

use crate::cgroup::Cgroup;
use crate::error::Error;
use crate::hierarchy::Layout;

/// Where the kernel says which files a new owner needs (Linux 4.15).
const DELEGATE: &str = "/sys/kernel/cgroup/delegate";
/// What they were before it said so; by the specification of runtimes.
const USUAL: &str = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

impl Cgroup {
    /// Makes `uid`, as the host counts, the owner of the directory and of those files that only organise, but limit nothing.
    ///
    /// With v1 nothing is done: its cgroups cannot be given away safely.
    pub fn delegate(&self, uid: u32) -> Result<(), Error> {
        let Some(member) = self.unified().filter(|_| self.layout == Layout::Unified) else {
            return Ok(());
        };
        let files = fs::read_to_string(DELEGATE).unwrap_or_else(|_| USUAL.to_owned());
        let plain = |file: &&str| !file.is_empty() && !file.contains('/');
        for file in std::iter::once(".").chain(files.lines().filter(plain)) {
            match chownat(
                &member.directory,
                file,
                Some(Uid::from_raw(uid)),
                None,
                AtFlags::SYMLINK_NOFOLLOW,
            ) {
                // Not every cgroup has every file.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => {
                    return Err(Error::Delegate {
                        uid,
                        file: member.directory.path().join(file),
                        source: io::Error::from(error),
                    });
                }
            }
        }
        Ok(())
    }
}
