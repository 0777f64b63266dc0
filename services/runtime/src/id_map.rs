//! Id mappings: of a container's user namespace, and of mounts that show their files with other owners.

use std::fs;
use std::os::fd::OwnedFd;

use gantry_oci::runtime::IdMapping;
use gantry_sys::clone::Namespaces;

use crate::failure::{During, Failure};
use crate::placeholder::Placeholder;

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
    let placeholder = Placeholder::new(Namespaces::USER)?;
    write(placeholder.pid, uids, gids)?;
    let file = fs::File::open(format!("/proc/{}/ns/user", placeholder.pid));
    Ok(file.during("open a user namespace")?.into())
}
