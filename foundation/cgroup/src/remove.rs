//! Removing a cgroup with all that the container made below it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::cgroup::{Cgroup, is_gone, starts};
use crate::directory::Directory;
use crate::error::Error;
use crate::hierarchy::{Hierarchies, Version};
use crate::others::{self, Other};
use crate::path::CgroupPath;

/// How long processes that were killed may take to leave.
const DEADLINE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl Cgroup {
    /// Removes a cgroup that nobody is in any more, with one call for each hierarchy. False when somebody or something is in it still;
    /// then it is for [`Cgroup::kill`] and [`Cgroup::remove`].
    ///
    /// # Errors
    /// [`Error::Remove`] when the kernel refuses it for another reason.
    pub fn remove_empty(hierarchies: &Hierarchies, path: &CgroupPath) -> Result<bool, Error> {
        let mut places = starts(hierarchies, path)?;
        // Those that are asked who is in a cgroup come first: while they are there, so are the others.
        places.sort_by_key(|(hierarchy, _)| {
            let counts = hierarchy.version() == Version::V2;
            (!counts, !hierarchy.holds("pids"))
        });
        for (hierarchy, start) in places {
            let directory = start.join(path.names());
            let (at, rest) = hierarchy.reach(&directory);
            match rustix::fs::unlinkat(at, rest, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::BUSY | Errno::NOTEMPTY) => return Ok(false),
                Err(error) => return Err(Error::Remove { directory, source: error.into() }),
            }
        }
        Ok(true)
    }

    /// Removes the cgroup from every hierarchy. What is gone already is fine. Parents stay, for other containers.
    ///
    /// # Errors
    /// [`Error::Remove`] when processes are still there after five seconds; the other hierarchies are cleared all the same.
    pub fn remove(&self) -> Result<(), Error> {
        self.remove_except(&[])
    }

    /// The same for a cgroup that had others below it before it was ours: these, and with them their parent, stay.
    pub fn remove_except(&self, others: &[Other]) -> Result<(), Error> {
        let end = Instant::now() + DEADLINE;
        let mut result = Ok(());
        for member in &self.members {
            let directory = &member.directory;
            let spared = others::spared(directory, others);
            let removed = remove(directory, &spared, end).map_err(|error| Error::Remove {
                directory: directory.path().to_owned(),
                source: error.into(),
            });
            result = result.and(removed);
        }
        result
    }
}

fn remove(directory: &Directory, spared: &[&str], end: Instant) -> Result<(), Errno> {
    let Some(name) = directory.path().file_name().and_then(|name| name.to_str()) else {
        return Err(Errno::INVAL);
    };
    let parent = match directory.parent() {
        Ok(parent) => parent,
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        match parent.remove_child(name) {
            Ok(_) => return Ok(()),
            Err(Errno::BUSY | Errno::NOTEMPTY) if has_only(directory, spared) => return Ok(()),
            Err(Errno::BUSY | Errno::NOTEMPTY) if Instant::now() < end => {}
            Err(error) => return Err(error),
        }
        match remove_below(directory, spared) {
            // Nothing is below any more; the loop removes the directory itself.
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => return Err(error),
        }
        sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether nothing but spared directories is below this one, and something is.
fn has_only(directory: &Directory, spared: &[&str]) -> bool {
    let Ok(children) = directory.children() else { return false };
    !children.is_empty() && children.iter().all(|name| spared.contains(&name.as_str()))
}

/// Removes the directories below this one but for spared ones, the deepest first. True when it removed some, false when processes hold the rest.
///
/// It goes down and up on a single descriptor: a container may have nested its cgroups deeper than any stack.
fn remove_below(top: &Directory, spared: &[&str]) -> Result<bool, Errno> {
    let error_number = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let mut removed_any = false;
    let mut depth = 0_usize;
    let mut current = top.child(".").map_err(error_number)?;
    loop {
        let mut blocked = None;
        for name in current.children().map_err(error_number)? {
            if depth == 0 && spared.contains(&name.as_str()) {
                continue;
            }
            match current.remove_child(&name) {
                Ok(_) => removed_any = true,
                Err(Errno::BUSY | Errno::NOTEMPTY) => blocked = Some(name),
                Err(error) => return Err(error),
            }
        }
        let deeper = match blocked {
            Some(name) => {
                let child = current.child(&name).map_err(error_number)?;
                let has_children = !child.children().map_err(error_number)?.is_empty();
                if !has_children {
                    // It has processes.
                    return Ok(removed_any);
                }
                Some(child)
            }
            None => None,
        };
        match deeper {
            Some(child) => {
                current = child;
                depth += 1;
            }
            None if depth == 0 => return Ok(removed_any),
            None => {
                current = current.parent().map_err(error_number)?;
                depth -= 1;
            }
        }
    }
}
