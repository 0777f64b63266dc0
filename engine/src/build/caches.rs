//! The directories of cache mounts: where they lie, who has them, and how they go. They outlive builds; who has one, is
//! known in memory only, because no command of a build outlives the daemon.

mod carried;
mod records;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gantry_build::RunMount;
use gantry_dockerfile::CacheSharing;
use gantry_types::{ContainerId, Digest, error_chain};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, random};

pub use carried::{export_mount, import_mount};
pub(super) use records::{Listed, list};

/// The folder of cache mounts, below the data root.
const FOLDER: &str = "build-caches";
/// How names of caches begin that are being removed; no other name has it.
pub(super) const GOING: &str = "going-";
/// How names of caches begin that are being made.
const COMING: &str = "coming-";
/// How long somebody waits for a cache before asking whether it is still wanted.
const PAUSE: Duration = Duration::from_millis(200);

/// Who has which cache.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    users: Mutex<HashMap<String, Users>>,
    freed: Condvar,
}

/// Who has a cache.
#[derive(Debug, Clone, Copy)]
enum Users {
    /// That many commands together.
    Many(usize),
    /// One alone.
    One,
}

/// The caches of one command; they are free again when it is dropped.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    caches: &'a Caches,
    /// The names of directories by the ids of caches.
    names: BTreeMap<String, String>,
}

impl Taken<'_> {
    /// What the directory of a cache is called that was taken.
    pub(super) fn name_of(&self, id: &str) -> &str {
        self.names.get(id).map_or("", String::as_str)
    }
}

/// The most directories of one cache that is each command's own.
const MAX_PRIVATE: usize = 1000;

impl Caches {
    /// Takes the caches of some mounts, all or none of them, so that nobody waits with one in hand. `wanted` is asked while it waits.
    pub(super) fn take(
        &self,
        mounts: &[RunMount],
        wanted: &dyn Fn() -> gantry_build::Result<()>,
    ) -> Result<Taken<'_>> {
        let mut ids: BTreeMap<&str, CacheSharing> = BTreeMap::new();
        for mount in mounts {
            if let RunMount::Cache { id, sharing, .. } = mount {
                // The same one twice in a command is one, and what keeps others away most counts.
                let most =
                    ids.get(id.as_str()).map_or(*sharing, |other| stricter(*other, *sharing));
                ids.insert(id, most);
            }
        }
        let mut users = self.users();
        loop {
            if let Some(taken) = self.try_take(&mut users, &ids) {
                return Ok(taken);
            }
            let (back, _) =
                self.freed.wait_timeout(users, PAUSE).unwrap_or_else(PoisonError::into_inner);
            users = back;
            wanted()?;
        }
    }

    fn try_take(
        &self,
        users: &mut HashMap<String, Users>,
        ids: &BTreeMap<&str, CacheSharing>,
    ) -> Option<Taken<'_>> {
        let mut names = BTreeMap::new();
        for (id, sharing) in ids {
            let name = match sharing {
                CacheSharing::Private => {
                    let mut own = (1..=MAX_PRIVATE).map(|number| name_of(&private(id, number)));
                    own.find(|name| !users.contains_key(name))
                }
                CacheSharing::Shared | CacheSharing::Locked => {
                    let name = name_of(id);
                    let is_free = match users.get(&name) {
                        None => true,
                        Some(Users::Many(_)) => *sharing == CacheSharing::Shared,
                        Some(Users::One) => false,
                    };
                    is_free.then_some(name)
                }
            };
            names.insert((*id).to_owned(), name?);
        }
        for (id, sharing) in ids {
            let name = &names[*id];
            let now = match users.get(name) {
                Some(Users::Many(count)) => Users::Many(count + 1),
                _ if *sharing == CacheSharing::Shared => Users::Many(1),
                _ => Users::One,
            };
            users.insert(name.clone(), now);
        }
        Some(Taken { caches: self, names })
    }

    /// A directory by its name, for who removes it.
    fn try_take_alone(&self, name: &str) -> Option<Taken<'_>> {
        let mut users = self.users();
        if users.contains_key(name) {
            return None;
        }
        users.insert(name.to_owned(), Users::One);
        Some(Taken { caches: self, names: BTreeMap::from([(String::new(), name.to_owned())]) })
    }

    fn users(&self) -> MutexGuard<'_, HashMap<String, Users>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut users = self.caches.users();
        for name in self.names.values() {
            match users.get_mut(name) {
                Some(Users::Many(count)) if *count > 1 => *count -= 1,
                _ => drop(users.remove(name)),
            }
        }
        drop(users);
        self.caches.freed.notify_all();
    }
}

/// Any text is an id, and none may be a path.
fn name_of(id: &str) -> String {
    Digest::sha256(Sha256::digest(id).into()).hex().to_owned()
}

/// What the nth directory is called of a cache that is each command's own; the first is the one that others share.
fn private(id: &str, number: usize) -> String {
    if number == 1 { id.to_owned() } else { format!("{id}#{number}") }
}

fn stricter(one: CacheSharing, other: CacheSharing) -> CacheSharing {
    use CacheSharing::{Locked, Private, Shared};
    match (one, other) {
        (Locked, _) | (_, Locked) => Locked,
        (Private, _) | (_, Private) => Private,
        (Shared, Shared) => Shared,
    }
}

/// The directory of a cache that the caller has taken, by the cache's id and the directory's name; made, and filled by `fill`,
/// when it is new.
pub(super) fn directory(
    engine: &Engine,
    (id, name): (&str, &str),
    (uid, gid, mode): (u32, u32, u32),
    fill: &dyn Fn(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let root = engine.settings.data_root.join(FOLDER);
    let path = root.join(name);
    if !path.exists() {
        // Whole or not at all: two that share a cache may both find it new.
        let going = fresh(COMING)?;
        let new = root.join(&going);
        let failed = || Error::file("create directory", &new);
        fs::create_dir_all(&new).map_err(failed())?;
        let filled = fill(&new).and_then(|()| {
            chown(&new, Some(uid), Some(gid)).map_err(failed())?;
            fs::set_permissions(&new, PermissionsExt::from_mode(mode)).map_err(failed())
        });
        if let Err(error) = filled {
            drop(remove_tree(&root, &going));
            return Err(error);
        }
        // Over one that is still empty, it would take away what somebody is about to write.
        let flags = RenameFlags::NOREPLACE;
        if let Err(error) = renameat_with(CWD, &new, CWD, &path, flags) {
            drop(remove_tree(&root, &going));
            // Somebody else was first.
            if error != Errno::EXIST {
                return Err(failed()(error.into()));
            }
        }
    }
    records::touch(engine, id, name)?;
    Ok(path)
}

/// A name that nothing has.
fn fresh(prefix: &str) -> Result<String> {
    Ok(format!("{prefix}{}", ContainerId::from_bytes(random::bytes()?).as_str()))
}

/// After a start: what was being made or removed goes.
pub(super) fn reconcile(engine: &Engine) {
    remove_parts(&engine.settings.data_root.join(FOLDER));
}

/// Removes what was being made or removed in a folder when the daemon died.
pub(super) fn remove_parts(folder: &Path) {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    for name in names.filter(|name| name.starts_with(COMING) || name.starts_with(GOING)) {
        if let Err(error) = remove_tree(folder, &name) {
            tracing::warn!(error = error_chain(&error), name, "cannot remove a part of a cache");
        }
    }
}

/// Removes those of these caches that no command has, and what an earlier removal left; which went.
pub(super) fn prune(engine: &Engine, names: &HashSet<String>) -> Result<Vec<String>> {
    let root = engine.settings.data_root.join(FOLDER);
    let gone = prune_folder(&root, &engine.build_caches, &|name| names.contains(name))?;
    records::forget(engine, &gone)?;
    Ok(gone)
}

fn prune_folder(
    root: &Path,
    caches: &Caches,
    is_meant: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(gone),
        entries => entries.map_err(Error::file("list", root))?,
    };
    for entry in entries {
        let name = entry.map_err(Error::file("list", root))?.file_name();
        let Some(name) = name.to_str() else { continue };
        let going = if name.starts_with(GOING) {
            name.to_owned()
        } else {
            if !is_meant(name) || name.starts_with(COMING) {
                continue;
            }
            let Some(taken) = caches.try_take_alone(name) else { continue };
            // Where there is nothing, somebody else removes it.
            let Some(going) = set_aside(root, name)? else { continue };
            drop(taken);
            gone.push(name.to_owned());
            going
        };
        remove_tree(root, &going)?;
    }
    Ok(gone)
}

/// Gives what is at `name` in `folder` the name of what is being removed, in one step: whoever looks for it next finds nothing
/// rather than a part, whatever becomes of us. None where nothing is there.
pub(super) fn set_aside(folder: &Path, name: &str) -> Result<Option<String>> {
    let going = fresh(GOING)?;
    match fs::rename(folder.join(name), folder.join(&going)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        renamed => renamed.map(|()| Some(going)).map_err(Error::file("rename", folder.join(name))),
    }
}

/// Removes what is at `name` in `folder`: a tree that others wrote, of any depth. Nothing there is fine.
pub(super) fn remove_tree(folder: &Path, name: &str) -> Result<()> {
    let failed = |error: &dyn std::error::Error| std::io::Error::other(error_chain(error));
    let opened = fs::File::open(folder).map_err(Error::file("open", folder))?;
    gantry_archive::tree::remove(opened.as_fd(), name.as_bytes())
        .map_err(|error| Error::file("remove", folder.join(name))(failed(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(id: &str, is_locked: bool) -> RunMount {
        let sharing = if is_locked { CacheSharing::Locked } else { CacheSharing::Shared };
        shared(id, sharing)
    }

    fn shared(id: &str, sharing: CacheSharing) -> RunMount {
        RunMount::Cache {
            id: id.to_owned(),
            target: "/c".to_owned(),
            is_read_only: false,
            sharing,
            born: (0, 0, 0o755),
            seed: None,
        }
    }

    #[test]
    fn private_ones_are_each_command_s_own_and_come_back() {
        let caches = Caches::default();
        let take = || caches.take(&[shared("x", CacheSharing::Private)], &unwanted).unwrap();
        let name = |taken: &Taken<'_>| taken.name_of("x").to_owned();
        let (one, two) = (take(), take());
        assert_eq!((name(&one), name(&two)), (name_of("x"), name_of("x#2")));
        drop(one);
        assert_eq!(name(&take()), name_of("x"), "the first that is free");
        drop(two);
        assert!(caches.users().is_empty());
    }

    fn unwanted() -> gantry_build::Result<()> {
        Err(gantry_build::Error::Cancelled)
    }

    #[test]
    fn one_that_waits_holds_nothing_and_can_be_called_off() {
        let caches = Caches::default();
        let twice = [mount("x", true), mount("x", true)];
        let x = caches.take(&twice, &unwanted).expect("it does not wait for itself");
        let both = [mount("y", true), mount("x", true)];
        let refused = caches.take(&both, &unwanted).unwrap_err();
        assert!(matches!(refused, Error::Build(gantry_build::Error::Cancelled)), "{refused}");
        drop(caches.take(&[mount("y", true)], &unwanted).unwrap());
        drop(x);
        drop(caches.take(&both, &unwanted).unwrap());
    }

    #[test]
    fn those_that_share_do_and_others_wait_for_all_of_them() {
        let caches = Caches::default();
        let one = caches.take(&[mount("x", false)], &unwanted).unwrap();
        let two = caches.take(&[mount("x", false)], &unwanted).unwrap();
        drop(one);
        assert!(caches.take(&[mount("x", true)], &unwanted).is_err());
        drop(two);
        drop(caches.take(&[mount("x", true)], &unwanted).unwrap());
        assert!(caches.users().is_empty());
    }

    #[test]
    fn a_prune_takes_trees_of_any_depth_but_none_that_is_in_use() {
        let root = tempfile::tempdir().unwrap();
        let caches = Caches::default();
        for id in ["used", "free"] {
            fs::create_dir(root.path().join(name_of(id))).unwrap();
        }
        let deep = rustix::fs::Mode::from(0o755);
        let mut at: std::os::fd::OwnedFd =
            fs::File::open(root.path().join(name_of("free"))).unwrap().into();
        for _ in 0..20_000 {
            rustix::fs::mkdirat(&at, "d", deep).unwrap();
            let flags = rustix::fs::OFlags::DIRECTORY;
            at = rustix::fs::openat(&at, "d", flags, rustix::fs::Mode::empty()).unwrap();
        }
        let used = caches.take(&[mount("used", false)], &unwanted).unwrap();
        prune_folder(root.path(), &caches, &|_| true).unwrap();
        let left: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, [name_of("used").as_str()]);
        drop(used);
        prune_folder(root.path(), &caches, &|_| true).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
