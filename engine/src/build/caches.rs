//! The directories of cache mounts: where they lie, who has them, and how they go. They outlive builds; who has one, is
//! known in memory only, because no command of a build outlives the daemon.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gantry_build::RunMount;
use gantry_types::{ContainerId, Digest, error_chain};
use sha2::{Digest as _, Sha256};

use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, random};

/// The folder of cache mounts, below the data root.
const FOLDER: &str = "build-caches";
/// How names of caches begin that are being removed; no other name has it.
const GOING: &str = "going-";
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
    names: Vec<String>,
}

impl Caches {
    /// Takes the caches of some mounts, all or none of them, so that nobody waits with one in hand. `wanted` is asked while it waits.
    pub(super) fn take(
        &self,
        mounts: &[RunMount],
        wanted: &dyn Fn() -> gantry_build::Result<()>,
    ) -> Result<Taken<'_>> {
        let mut names = BTreeMap::new();
        for mount in mounts {
            if let RunMount::Cache { id, is_locked, .. } = mount {
                // The same one twice in a command is one.
                *names.entry(name_of(id)).or_insert(false) |= *is_locked;
            }
        }
        let mut users = self.users();
        loop {
            if let Some(taken) = self.try_take(&mut users, &names) {
                return Ok(taken);
            }
            let (back, _) =
                self.freed.wait_timeout(users, PAUSE).unwrap_or_else(PoisonError::into_inner);
            users = back;
            wanted()?;
        }
    }

    /// By name, and whether it is for one alone.
    fn try_take(
        &self,
        users: &mut HashMap<String, Users>,
        names: &BTreeMap<String, bool>,
    ) -> Option<Taken<'_>> {
        let is_free = |(name, is_alone): (&String, &bool)| match users.get(name) {
            None => true,
            Some(Users::Many(_)) => !is_alone,
            Some(Users::One) => false,
        };
        if !names.iter().all(is_free) {
            return None;
        }
        for (name, is_alone) in names {
            let now = match users.get(name) {
                Some(Users::Many(count)) => Users::Many(count + 1),
                _ if *is_alone => Users::One,
                _ => Users::Many(1),
            };
            users.insert(name.clone(), now);
        }
        Some(Taken { caches: self, names: names.keys().cloned().collect() })
    }

    fn users(&self) -> MutexGuard<'_, HashMap<String, Users>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut users = self.caches.users();
        for name in &self.names {
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

/// The directory of a cache that the caller has taken, made when it is new.
pub(super) fn directory(
    engine: &Engine,
    id: &str,
    (uid, gid, mode): (u32, u32, u32),
) -> Result<PathBuf> {
    let path = engine.settings.data_root.join(FOLDER).join(name_of(id));
    if !path.exists() {
        let failed = || Error::file("create directory", &path);
        fs::create_dir_all(&path).map_err(failed())?;
        chown(&path, Some(uid), Some(gid)).map_err(failed())?;
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).map_err(failed())?;
    }
    Ok(path)
}

/// Removes all caches that no command has, and what an earlier removal left.
pub(super) fn prune(engine: &Engine) -> Result<()> {
    let root = engine.settings.data_root.join(FOLDER);
    prune_folder(&root, &engine.build_caches)
}

fn prune_folder(root: &Path, caches: &Caches) -> Result<()> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::file("list", root))?,
    };
    for entry in entries {
        let name = entry.map_err(Error::file("list", root))?.file_name();
        let Some(name) = name.to_str() else { continue };
        let going = if name.starts_with(GOING) {
            name.to_owned()
        } else {
            let going = format!("{GOING}{}", ContainerId::from_bytes(random::bytes()?).as_str());
            let alone = BTreeMap::from([(name.to_owned(), true)]);
            // In one step, so that whoever takes it next makes a new one.
            let Some(taken) = caches.try_take(&mut caches.users(), &alone) else { continue };
            match fs::rename(root.join(name), root.join(&going)) {
                // Somebody else removes it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                renamed => renamed.map_err(Error::file("rename", root.join(name)))?,
            }
            drop(taken);
            going
        };
        remove_tree(root, &going)?;
    }
    Ok(())
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
        RunMount::Cache {
            id: id.to_owned(),
            target: "/c".to_owned(),
            is_read_only: false,
            is_locked,
            born: (0, 0, 0o755),
        }
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
        prune_folder(root.path(), &caches).unwrap();
        let left: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, [name_of("used").as_str()]);
        drop(used);
        prune_folder(root.path(), &caches).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
