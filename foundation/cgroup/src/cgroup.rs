//! A container's cgroup: its directory in each hierarchy.

use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

use crate::directory::Directory;
use crate::error::Error;
use crate::hierarchy::{Hierarchies, Hierarchy, Layout, Version};
use crate::others::{self, Other};
use crate::own_place;
use crate::path::CgroupPath;

/// One container's directories, open, in every hierarchy that has it.
#[derive(Debug)]
pub struct Cgroup {
    pub(crate) layout: Layout,
    pub(crate) members: Vec<Member>,
}

/// The directory in one hierarchy.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) hierarchy: Hierarchy,
    pub(crate) directory: Directory,
    /// [`Cgroup::create`] made it.
    pub(crate) is_new: bool,
    /// What was below it when [`Cgroup::create`] found it there.
    pub(crate) others: Vec<Other>,
}

impl Member {
    pub(crate) fn found(hierarchy: Hierarchy, directory: Directory) -> Self {
        Self { hierarchy, directory, is_new: false, others: Vec::new() }
    }
}

impl Cgroup {
    /// Opens a cgroup that exists. Hierarchies in which it does not are passed over.
    ///
    /// # Errors
    /// [`Error::Open`] of kind `NotFound` when no hierarchy has it.
    pub fn open(hierarchies: &Hierarchies, path: &CgroupPath) -> Result<Self, Error> {
        let mut members = Vec::new();
        let mut missing = None;
        for (hierarchy, start) in starts(hierarchies, path)? {
            let directory = start.join(path.names());
            match Directory::reach(hierarchy.reach(&directory), &directory) {
                Ok(directory) => members.push(Member::found(hierarchy, directory)),
                Err(source) if source.kind() == io::ErrorKind::NotFound => {
                    missing = Some(Error::Open { directory, source });
                }
                Err(source) => return Err(Error::Open { directory, source }),
            }
        }
        match missing {
            Some(error) if members.is_empty() => Err(error),
            _ => Ok(Self { layout: hierarchies.layout(), members }),
        }
    }

    /// Opens a cgroup by what [`Cgroup::directories`] gave. A relative path means another place to every process; this does
    /// not. Directories that are gone are passed over.
    pub fn open_directories(
        hierarchies: &Hierarchies,
        directories: &[PathBuf],
    ) -> Result<Self, Error> {
        let mut members = Vec::new();
        for path in directories {
            let failed = |source| Error::Open { directory: path.clone(), source };
            // On a v2 machine all others would lie below the one root, too: the longest root is the right one.
            let hierarchy = hierarchies
                .iter()
                .filter(|it| path.strip_prefix(it.root()).is_ok_and(is_plain))
                .max_by_key(|it| it.root().as_os_str().len())
                .ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
            match Directory::open(path) {
                Ok(directory) => {
                    members.push(Member::found(hierarchy.clone(), directory));
                }
                Err(error) if is_gone(&error) => {}
                Err(source) => return Err(failed(source)),
            }
        }
        Ok(Self { layout: hierarchies.layout(), members })
    }

    /// Opens the cgroup that a process is in, by its number in this process's pid namespace. For processes that somebody else
    /// placed; in hierarchies where it is in the root it has none.
    pub fn of_process(hierarchies: &Hierarchies, pid: u32) -> Result<Self, Error> {
        Self::open_directories(hierarchies, &own_place::places(hierarchies, pid)?)
    }

    /// The hierarchies that it is in.
    #[must_use]
    pub fn hierarchies(&self) -> Hierarchies {
        Hierarchies::of(self.members.iter().map(|member| member.hierarchy.clone()).collect())
    }

    /// The cgroup's directory in each hierarchy.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.members.iter().map(|member| member.directory.path())
    }

    /// Those of the directories that [`Cgroup::create`] made, and did not find: what may be removed to take it back.
    pub fn new_directories(&self) -> Vec<PathBuf> {
        let new = self.members.iter().filter(|member| member.is_new);
        new.map(|member| member.directory.path().to_owned()).collect()
    }

    /// The directories below it that [`Cgroup::create`] found there: somebody else's.
    pub fn others(&self) -> Vec<Other> {
        self.members.iter().flat_map(|member| member.others.clone()).collect()
    }

    /// Every process in this cgroup and below it, by the numbers of this process's pid namespace.
    pub fn pids(&self) -> Result<Vec<i32>, Error> {
        self.pids_except(&[])
    }

    /// The same but for those in `others`.
    pub(crate) fn pids_except(&self, others: &[Other]) -> Result<Vec<i32>, Error> {
        let Some(member) = self.counting_member() else { return Ok(Vec::new()) };
        let top = member.directory.path();
        let spared: Vec<PathBuf> =
            others::spared(&member.directory, others).iter().map(|name| top.join(name)).collect();
        let mut pids = Vec::new();
        for_each_below(&member.directory, &mut |directory| {
            if !spared.iter().any(|path| directory.path().starts_with(path)) {
                pids.extend(directory.processes()?);
            }
            Ok(())
        })?;
        Ok(pids)
    }

    /// The member that a controller acts in, by its names in v1 and v2: v1 where it is mounted, for then v2 has it not.
    pub(crate) fn member(&self, v1: &str, v2: &str) -> Option<&Member> {
        let holds = |version, name| {
            move |member: &&Member| {
                member.hierarchy.version() == version && member.hierarchy.holds(name)
            }
        };
        let mut members = self.members.iter();
        members
            .clone()
            .find(holds(Version::V1, v1))
            .or_else(|| members.find(holds(Version::V2, v2)))
    }

    pub(crate) fn unified(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.hierarchy.version() == Version::V2)
    }

    /// The member whose processes stand for all.
    fn counting_member(&self) -> Option<&Member> {
        self.unified().or_else(|| self.member("pids", "pids")).or_else(|| self.members.first())
    }
}

/// Whether a path below a hierarchy's root names a cgroup there.
fn is_plain(below_root: &Path) -> bool {
    let mut names = below_root.components().peekable();
    names.peek().is_some() && names.all(|it| matches!(it, Component::Normal(_)))
}

/// Each hierarchy with the directory that `path` starts from in it.
pub(crate) fn starts(
    hierarchies: &Hierarchies,
    path: &CgroupPath,
) -> Result<Vec<(Hierarchy, PathBuf)>, Error> {
    let roots = || hierarchies.iter().map(|hierarchy| hierarchy.root().to_owned()).collect();
    let starts: Vec<_> = if path.is_absolute() { roots() } else { own_place::starts(hierarchies)? };
    Ok(hierarchies.iter().cloned().zip(starts).collect())
}

/// More levels than this below a container's cgroup are not looked at; v2's own default is no limit at all.
const MAX_DEPTH: usize = 64;

/// Visits a directory and all below it. What is removed meanwhile is passed over.
pub(crate) fn for_each_below(
    directory: &Directory,
    visit: &mut dyn FnMut(&Directory) -> Result<(), Error>,
) -> Result<(), Error> {
    walk(directory, MAX_DEPTH, visit)
}

fn walk(
    directory: &Directory,
    levels: usize,
    visit: &mut dyn FnMut(&Directory) -> Result<(), Error>,
) -> Result<(), Error> {
    visit(directory)?;
    if levels == 0 {
        return Ok(());
    }
    let children = match directory.children() {
        Ok(children) => children,
        Err(error) if is_gone(&error) => return Ok(()),
        Err(source) => return Err(Error::Open { directory: directory.path().to_owned(), source }),
    };
    for name in children {
        match directory.child(&name) {
            Ok(child) => walk(&child, levels - 1, visit)?,
            Err(error) if is_gone(&error) => {}
            Err(source) => {
                return Err(Error::Open { directory: directory.path().join(name), source });
            }
        }
    }
    Ok(())
}

/// Whether an error says that a directory was removed after it was opened.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NODEV))
}
