//! Id mappings: of a container's user namespace, and of mounts that show their files with other owners.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use gantry_oci::runtime::IdMapping;
use gantry_sys::clone::{Child, Fork, Namespaces, clone_into};
use gantry_sys::{pidfd, process};

use crate::channel::Channel;
use crate::failure::{During, Failure};

/// Writes the mappings of a process's new user namespace.
pub(crate) fn write(pid: i32, uids: &[IdMapping], gids: &[IdMapping]) -> Result<(), Failure> {
    for (file, mappings) in [("uid_map", uids), ("gid_map", gids)] {
        let lines: Vec<String> = mappings
            .iter()
            .map(|map| format!("{} {} {}", map.container_id, map.host_id, map.size))
            .collect();
        fs::write(format!("/proc/{pid}/{file}"), lines.join("\n"))
            .during_with(|| format!("write the container's {file}"))?;
    }
    Ok(())
}

/// A user namespace with these mappings that nobody lives in, as a mount needs it.
pub(crate) fn user_namespace(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd, Failure> {
    let (ours, theirs) = Channel::pair().during("make a socket pair")?;
    let child = match clone_into(Namespaces::USER, None).during("make a user namespace")? {
        Fork::Child => {
            drop(ours);
            // Lives until the parent has what it wants, or is gone.
            drop(theirs.receive());
            process::exit_now(0)
        }
        Fork::Parent(child) => child,
    };
    drop(theirs);
    let namespace = map_and_open(&child, uids, gids);
    drop(ours);
    pidfd::wait(child.pidfd.as_fd()).during("wait for a helper process")?;
    namespace
}

fn map_and_open(child: &Child, uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd, Failure> {
    write(child.pid, uids, gids)?;
    let file = fs::File::open(format!("/proc/{}/ns/user", child.pid));
    Ok(file.during("open a user namespace")?.into())
}
