//! Whose processes are a container's when it has no cgroup: those that live in the pid namespace or the mount namespace that was made for
//! it.

use std::fs;
use std::io;
use std::path::Path;

use gantry_sys::clone::Namespaces;
use rustix::fs::stat;
use serde::{Deserialize, Serialize};

/// Which of these namespaces a container has for itself. In one that it joined, there are the processes of others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OwnNamespaces {
    pub mount: bool,
    pub pid: bool,
}

impl From<Namespaces> for OwnNamespaces {
    fn from(new: Namespaces) -> Self {
        Self { mount: new.contains(Namespaces::MOUNT), pid: new.contains(Namespaces::PID) }
    }
}

/// The container's processes, as the caller's pid namespace numbers them; those that the caller may not look at are left out.
///
/// A container with a pid namespace of its own is found completely. Without, a process that went to another mount namespace escapes the
/// count, and of one that has neither for itself only the first process is known.
pub(crate) fn of(first: i32, own: OwnNamespaces) -> Vec<i32> {
    let Some(mounts) = namespace(first, "mnt") else { return Vec::new() };
    let mounts = own.mount.then_some(mounts);
    let pids = namespace(first, "pid").filter(|_| own.pid);
    let shares =
        |pid: i32, kind: &str, own: Option<u64>| own.is_some() && namespace(pid, kind) == own;
    let belongs = |pid: i32| pid == first || shares(pid, "mnt", mounts) || shares(pid, "pid", pids);
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|pid| belongs(*pid)).collect()
}

/// Whether the calling process shares a namespace with another one.
pub(crate) fn share(pid: i32, kind: &str) -> io::Result<bool> {
    let of = |who: &str| Ok::<_, io::Error>(stat(format!("/proc/{who}/ns/{kind}"))?.st_ino);
    Ok(of("self")? == of(&pid.to_string())?)
}

fn namespace(pid: i32, kind: &str) -> Option<u64> {
    inode(format!("/proc/{pid}/ns/{kind}").as_ref())
}

fn inode(path: &Path) -> Option<u64> {
    Some(stat(path).ok()?.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_shares_namespaces_counts_only_when_they_are_the_containers_own() {
        let own = gantry_sys::process::pid();
        let mut other = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let other_pid = other.id().cast_signed();
        let found = [(true, false), (false, true), (false, false)]
            .map(|(mount, pid)| of(own, OwnNamespaces { mount, pid }));
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(found[..2].iter().all(|found| found.contains(&own) && found.contains(&other_pid)));
        assert_eq!(found[2], [own]);
        assert!(of(i32::MAX, OwnNamespaces { mount: true, pid: true }).is_empty());
    }
}
