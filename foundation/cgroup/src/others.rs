//! Cgroups below a container's that are somebody else's: they were there before it was the container's.

use std::io;
use std::path::PathBuf;

use rustix::fs::{AtFlags, statat};
use serde::{Deserialize, Serialize};

use crate::cgroup::{Cgroup, is_gone};
use crate::directory::Directory;
use crate::error::Error;
use crate::hierarchy::Hierarchies;
use crate::path::CgroupPath;

/// A directory below a cgroup, to be spared by [`Cgroup::kill_except`] and [`Cgroup::remove_except`]. A later one of the same name is
/// another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// Absolute.
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Other {
    fn of(parent: &Directory, name: &str) -> io::Result<Self> {
        let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Self { path: parent.path().join(name), device: stat.st_dev, inode: stat.st_ino })
    }
}

impl Cgroup {
    /// What [`Cgroup::others`] will be of a cgroup that is yet to be made here.
    ///
    /// # Errors
    /// [`Error::Open`] when a directory of it is there and cannot be read.
    pub fn others_at(hierarchies: &Hierarchies, path: &CgroupPath) -> Result<Vec<Other>, Error> {
        let cgroup = match Self::open(hierarchies, path) {
            Err(error) if error.kind() == gantry_types::ErrorKind::NotFound => {
                return Ok(Vec::new());
            }
            opened => opened?,
        };
        let mut others = Vec::new();
        for member in &cgroup.members {
            others.extend(below(&member.directory)?);
        }
        Ok(others)
    }
}

/// All directories below this one.
pub(crate) fn below(directory: &Directory) -> Result<Vec<Other>, Error> {
    let failed = |source| Error::Open { directory: directory.path().to_owned(), source };
    let mut others = Vec::new();
    for name in directory.children().map_err(failed)? {
        match Other::of(directory, &name) {
            Err(error) if is_gone(&error) => {}
            found => others.push(found.map_err(failed)?),
        }
    }
    Ok(others)
}

/// The names of those that are still below this directory.
pub(crate) fn spared<'a>(directory: &Directory, others: &'a [Other]) -> Vec<&'a str> {
    let here = others.iter().filter(|other| other.path.parent() == Some(directory.path()));
    here.filter_map(|other| {
        let name = other.path.file_name()?.to_str()?;
        Other::of(directory, name).is_ok_and(|found| found == *other).then_some(name)
    })
    .collect()
}
