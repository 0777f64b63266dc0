//! Id mappings: of a container's user namespace, and of mounts that show their files with other owners.

mod tools;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use gantry_oci::runtime::IdMapping;
use gantry_sys::clone::Namespaces;
use rustix::process::{getegid, geteuid};
use rustix::thread::{CapabilitySet, capabilities};

use crate::failure::{During, Failure};
use crate::placeholder::Placeholder;
use crate::rootless::Caller;

/// The kernel's limit (`UID_GID_MAP_MAX_EXTENTS`).
const RANGES_LIMIT: usize = 340;
/// The kernel takes less than a page.
const TABLE_LIMIT_BYTES: usize = 4095;

/// One of the two kinds of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Users,
    Groups,
}

impl Kind {
    fn file(self) -> &'static str {
        match self {
            Self::Users => "uid_map",
            Self::Groups => "gid_map",
        }
    }

    fn tool(self) -> &'static str {
        match self {
            Self::Users => "newuidmap",
            Self::Groups => "newgidmap",
        }
    }

    /// The caller's own id.
    fn own(self) -> u32 {
        match self {
            Self::Users => geteuid().as_raw(),
            Self::Groups => getegid().as_raw(),
        }
    }

    fn capability(self) -> CapabilitySet {
        match self {
            Self::Users => CapabilitySet::SETUID,
            Self::Groups => CapabilitySet::SETGID,
        }
    }
}

/// Refuses what the kernel would, with a reason. `name` is the field's.
pub(crate) fn check(name: &str, mappings: &[IdMapping]) -> Result<(), Failure> {
    if mappings.len() > RANGES_LIMIT {
        let count = mappings.len();
        return Err(Failure::invalid(format!(
            "{name} has {count} ranges; the kernel takes {RANGES_LIMIT}"
        )));
    }
    for map in mappings {
        let reason = if map.size == 0 {
            "is empty"
        } else if end(map.container_id, map.size) > u64::from(u32::MAX)
            || end(map.host_id, map.size) > u64::from(u32::MAX)
        {
            "goes beyond the largest id, 4294967294"
        } else {
            continue;
        };
        return Err(Failure::invalid(format!("{name}: the range {} {reason}", text(map))));
    }
    for (index, map) in mappings.iter().enumerate() {
        for earlier in &mappings[..index] {
            let inside =
                overlap((earlier.container_id, earlier.size), (map.container_id, map.size));
            if inside || overlap((earlier.host_id, earlier.size), (map.host_id, map.size)) {
                return Err(Failure::invalid(format!(
                    "{name}: the ranges {} and {} overlap",
                    text(earlier),
                    text(map)
                )));
            }
        }
    }
    Ok(())
}

/// Besides, for a container's own namespace: whoever sets it up has the id 0 in it.
pub(crate) fn check_root(name: &str, mappings: &[IdMapping]) -> Result<(), Failure> {
    if mappings.iter().any(|map| map.container_id == 0) {
        return Ok(());
    }
    Err(Failure::invalid(format!("{name} must map the container's id 0, and does not")))
}

fn end(first: u32, size: u32) -> u64 {
    u64::from(first) + u64::from(size)
}

fn overlap(a: (u32, u32), b: (u32, u32)) -> bool {
    u64::from(a.0) < end(b.0, b.1) && u64::from(b.0) < end(a.0, a.1)
}

/// The lines of a process's `uid_map` or `gid_map`: first id inside, first id outside, how many.
pub(crate) fn parse(table: &str) -> Vec<IdMapping> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u32>().ok());
        let (container_id, host_id) = (numbers.next()??, numbers.next()??);
        Some(IdMapping { container_id, host_id, size: numbers.next()?? })
    };
    table.lines().filter_map(line).collect()
}

fn text(map: &IdMapping) -> String {
    format!("{} {} {}", map.container_id, map.host_id, map.size)
}

/// Who writes the mappings, and where its tools are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub caller: Caller,
    /// Directories, separated by colons.
    pub search_path: &'a str,
}

impl Writer<'_> {
    /// Writes the mappings of a process's new user namespace. What an ordinary user may not write himself is left to `newuidmap` and
    /// `newgidmap`, which know his subordinate ids.
    pub(crate) fn write(
        self,
        pid: i32,
        uids: &[IdMapping],
        gids: &[IdMapping],
    ) -> Result<(), Failure> {
        for (kind, mappings) in [(Kind::Users, uids), (Kind::Groups, gids)] {
            if self.caller != Caller::User || holds(kind.capability())? {
                self.write_as_root(pid, kind, mappings)?;
            } else if matches!(mappings, [only] if only.size == 1 && only.host_id == kind.own()) {
                write_own_id(pid, kind, mappings)?;
            } else {
                tools::run(kind.tool(), self.search_path, pid, mappings)?;
            }
        }
        Ok(())
    }

    fn write_as_root(self, pid: i32, kind: Kind, mappings: &[IdMapping]) -> Result<(), Failure> {
        let hint = match self.caller {
            Caller::NamespaceRoot => " (only ids that the surrounding user namespace has can be)",
            Caller::Root | Caller::User => "",
        };
        let file = kind.file();
        write_table(pid, kind, mappings)
            .during_with(|| format!("write the container's {file}{hint}"))
    }
}

fn holds(capability: CapabilitySet) -> Result<bool, Failure> {
    Ok(capabilities(None).during("read capabilities")?.effective.contains(capability))
}

/// A single id, his own, is what every user may map. Then groups cannot be dropped any more: some files deny access by group.
fn write_own_id(pid: i32, kind: Kind, mappings: &[IdMapping]) -> Result<(), Failure> {
    if kind == Kind::Groups {
        match fs::write(format!("/proc/{pid}/setgroups"), "deny") {
            // Before Linux 3.19 nobody asked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            written => written.during("forbid setgroups in the container")?,
        }
    }
    let file = kind.file();
    write_table(pid, kind, mappings).during_with(|| {
        format!("write the container's {file} (may users make user namespaces on this machine?)")
    })
}

fn write_table(pid: i32, kind: Kind, mappings: &[IdMapping]) -> io::Result<()> {
    let table = mappings.iter().map(text).collect::<Vec<_>>().join("\n");
    if table.len() > TABLE_LIMIT_BYTES {
        return Err(io::Error::other(
            "the table is longer than the kernel takes; use fewer ranges",
        ));
    }
    fs::write(format!("/proc/{pid}/{}", kind.file()), table)
}

/// A user namespace with these mappings that nobody lives in, as a mount needs it. Its maker is the machine's root.
///
/// For a while a copy of this process is in it, which must not lead to the program's file any more.
pub(crate) fn user_namespace(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd, Failure> {
    Caller::Root.hide_births()?;
    let placeholder = Placeholder::new(Namespaces::USER)?;
    let writer = Writer { caller: Caller::Root, search_path: "" };
    writer.write(placeholder.pid, uids, gids)?;
    let file = fs::File::open(format!("/proc/{}/ns/user", placeholder.pid));
    Ok(file.during("open a user namespace")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(container_id: u32, host_id: u32, size: u32) -> IdMapping {
        IdMapping { container_id, host_id, size }
    }

    #[test]
    fn ranges_that_cannot_be_are_named() {
        for (mappings, words) in [
            (vec![map(0, 1, 0)], "0 1 0 is empty"),
            (vec![map(0, u32::MAX, 1)], "largest id"),
            (vec![map(u32::MAX - 1, 0, 2)], "largest id"),
            (vec![map(0, 1000, 10), map(9, 5000, 1)], "0 1000 10 and 9 5000 1 overlap"),
            (vec![map(0, 1000, 10), map(10, 1009, 1)], "overlap"),
            (vec![map(0, 0, 1); RANGES_LIMIT + 1], "341 ranges"),
        ] {
            let failure = check("linux.uidMappings", &mappings).unwrap_err();
            assert!(failure.message.starts_with("linux.uidMappings"), "{}", failure.message);
            assert!(failure.message.contains(words), "{}", failure.message);
        }
    }

    #[test]
    fn ranges_side_by_side_are_fine() {
        check("x", &[map(0, 1000, 1), map(1, 100_000, 65536)]).unwrap();
        check("x", &[map(0, 0, u32::MAX)]).unwrap();
        check_root("x", &[map(0, 1000, 1)]).unwrap();
        assert!(check_root("x", &[map(1, 1000, 1)]).is_err());
    }
}
