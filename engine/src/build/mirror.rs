//! The files of a folder on another machine, as the last build from it found them: its client lists what the folder has now, and what
//! is new in the list is all that is sent. A build takes the files to itself, by a rename, and gives them back at its end; where
//! another build has them, one died with them, or the machine was started anew, all is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_api::build::listing::{self, Listed, MAX_LISTING_BYTES, Mark, UNSETTLED};
use gantry_archive::{ApplyOptions, Merge, Whiteouts};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat2, statat};
use rustix::io::Errno;
use serde_json::json;

use super::workshop::Bench;
use super::{caches, exchange};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// The folder of all of them, below the data root.
const FOLDER: &str = "build-mirrors";
/// Of so many folders the files are kept.
const MAX_FOLDERS: usize = 16;
/// Characters of what a client calls its folder: a SHA-256 in hexadecimal.
const KEY: usize = 64;

/// The files that one build has taken.
pub(super) struct Mirror {
    /// Where they lie meanwhile.
    path: PathBuf,
    /// Where they go at the end.
    home: PathBuf,
    /// All that the list says is there.
    is_whole: bool,
}

impl Mirror {
    /// Brings the files below `room` to what the client's folder has now.
    pub(super) fn fill(bench: &Bench<'_>, room: &Path, key: &str) -> Result<(Self, OwnedFd)> {
        let is_key = key.len() == KEY && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_key {
            return Err(Error::invalid(format!(
                "invalid name {key:?} of a folder that is sent: {KEY} hexadecimal digits are needed"
            )));
        }
        let wanted = read_listing(bench)?;
        let home = bench.engine.settings.data_root.join(FOLDER).join(key);
        let mut mirror = Self { path: room.join("mirror"), home, is_whole: false };
        let had = mirror.take()?;
        let files = mirror.path.join("files");
        let root: OwnedFd = File::open(&files).map_err(Error::file("open", &files))?.into();
        let missing = prepare(root.as_fd(), &had, &wanted)?;
        if missing.iter().any(|is_missing| *is_missing) {
            receive(bench, root.as_fd(), &missing)?;
        }
        let mut wanted = verify(root.as_fd(), wanted)?;
        let lost = lost(&missing, &wanted);
        if lost.iter().any(|is_lost| *is_lost) {
            receive(bench, root.as_fd(), &lost)?;
            wanted = verify(root.as_fd(), wanted)?;
        }
        mirror.write_listing(&wanted)?;
        mirror.is_whole = true;
        Ok((mirror, root))
    }

    /// Notes what is there. It counts until the machine is started anew: nothing is forced to the disk, and what lies there after a power
    /// cut is not what was written.
    fn write_listing(&self, listed: &[Listed]) -> Result<()> {
        let (list, boot) = (self.path.join("listing"), self.path.join("boot"));
        fs::write(&list, listing::encode(listed)).map_err(Error::file("write", &list))?;
        fs::write(&boot, boot_id()?).map_err(Error::file("write", &boot))
    }

    /// What is there by the list of an earlier build.
    fn read_listing(&self) -> Result<Option<Vec<Listed>>> {
        let boot = fs::read_to_string(self.path.join("boot")).unwrap_or_default();
        if boot != boot_id()? {
            return Ok(None);
        }
        let list = fs::read(self.path.join("listing")).ok();
        Ok(list.and_then(|list| listing::decode(&list).ok()))
    }

    /// What an earlier build left, or an empty folder.
    fn take(&self) -> Result<Vec<Listed>> {
        match fs::rename(&self.home, &self.path) {
            Ok(()) => {
                if let Some(had) = self.read_listing()? {
                    return Ok(had);
                }
                remove(&self.path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file("take", &self.home)(error)),
        }
        let files = self.path.join("files");
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(&files);
        made.map_err(Error::file("create directory", &files))?;
        Ok(Vec::new())
    }

    /// Leaves the files to later builds; those of folders that were not built from for longest go.
    pub(super) fn give_back(self) -> Result<()> {
        let Some(folder) = self.home.parent().filter(|_| self.is_whole) else { return Ok(()) };
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(Error::file("create directory", folder))?;
        match fs::rename(&self.path, &self.home) {
            // Another build from the same folder was sooner.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => return Ok(()),
            renamed => renamed.map_err(Error::file("keep", &self.home))?,
        }
        shorten(folder)
    }
}

/// Takes away what is kept of all folders; its bytes.
pub(super) fn prune(engine: &Engine) -> Result<u64> {
    let folder = engine.settings.data_root.join(FOLDER);
    let bytes = match File::open(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        opened => {
            let opened = opened.map_err(Error::file("open", &folder))?;
            gantry_archive::tree::size(opened.as_fd()).unwrap_or(0)
        }
    };
    for entry in fs::read_dir(&folder).map_err(Error::file("read", &folder))? {
        remove(&entry.map_err(Error::file("read", &folder))?.path())?;
    }
    Ok(bytes)
}

/// After a start: what was being removed goes.
pub(super) fn reconcile(engine: &Engine) {
    caches::remove_parts(&engine.settings.data_root.join(FOLDER));
}

/// A build that takes it meanwhile has all of it or nothing.
fn remove(path: &Path) -> Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let going = caches::set_aside(folder, &name.to_string_lossy())?;
    going.map_or(Ok(()), |going| caches::remove_tree(folder, &going))
}

fn shorten(folder: &Path) -> Result<()> {
    let mut all = Vec::new();
    let failed = || Error::file("read", folder);
    for entry in fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if entry.file_name().as_bytes().starts_with(caches::GOING.as_bytes()) {
            continue;
        }
        // One that is taken meanwhile is not among the oldest.
        let list = fs::metadata(entry.path().join("listing"));
        if let Ok(changed) = list.and_then(|list| list.modified()) {
            all.push((changed, entry.path()));
        }
    }
    all.sort();
    let over = all.len().saturating_sub(MAX_FOLDERS);
    all.iter().take(over).try_for_each(|(_, path)| remove(path))
}

fn boot_id() -> Result<String> {
    gantry_sys::boot_id::boot_id().map_err(Error::file("read", "the boot id"))
}

/// What the client's folder has now.
fn read_listing(bench: &Bench<'_>) -> Result<Vec<Listed>> {
    let about = json!({ "context": true, "path": "listing" });
    let bytes = exchange::want(bench.engine, bench.listener(), &about, |content| {
        let mut bytes = Vec::new();
        let read = content.take(MAX_LISTING_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(Error::file("read", "the list of the build context"))?;
        Ok(bytes)
    })?;
    let bytes = bytes.ok_or_else(|| Error::invalid("the client has no build context to list"))?;
    listing::decode(&bytes)
        .map_err(|error| Error::invalid(format!("invalid list of the build context: {error}")))
}

/// Removes what is there no more, or is something else now. What is missing then, by its number in the new list.
fn prepare(root: BorrowedFd<'_>, had: &[Listed], wanted: &[Listed]) -> Result<Vec<bool>> {
    let before: BTreeMap<&[u8], &Listed> =
        had.iter().map(|entry| (&entry.path[..], entry)).collect();
    let mut stays: BTreeSet<&[u8]> = BTreeSet::new();
    let mut missing = Vec::with_capacity(wanted.len());
    for entry in wanted {
        let known = before.get(&entry.path[..]);
        let same_kind = known.is_some_and(|known| known.is_directory == entry.is_directory);
        let is_there = same_kind && known.is_some_and(|known| is_same(&known.mark, &entry.mark));
        // A directory's own entry is written over it.
        if is_there || same_kind && entry.is_directory {
            stays.insert(&entry.path);
        }
        missing.push(!is_there);
    }
    let mut removed: Option<&[u8]> = None;
    for entry in had.iter().filter(|entry| !stays.contains(&entry.path[..])) {
        let is_below = removed.is_some_and(|folder| lies_below(&entry.path, folder));
        if !is_below {
            remove_at(root, &entry.path)?;
            removed = entry.is_directory.then_some(&entry.path[..]).or(removed);
        }
    }
    Ok(missing)
}

fn is_same(one: &Mark, other: &Mark) -> bool {
    one == other && *one != UNSETTLED
}

fn lies_below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// Removes what is at a path, with all below it; no link is followed.
fn remove_at(root: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    let (folder, name) = slash.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
    let Some(dir) = open(root, folder)? else { return Ok(()) };
    gantry_archive::tree::remove(dir.as_fd(), name)
        .map_err(|source| Error::Build(gantry_build::Error::Archive(source)))
}

/// A directory of the mirror; nothing where there is none.
fn open(root: BorrowedFd<'_>, path: &[u8]) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let place = if path.is_empty() { b"." } else { path };
    match openat2(root, place, flags, Mode::empty(), resolve) {
        Ok(dir) => Ok(Some(dir)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(of_path(path, error)),
    }
}

fn of_path(path: &[u8], source: Errno) -> Error {
    Error::file("look at", String::from_utf8_lossy(path).into_owned())(source.into())
}

/// Asks for what is missing, each entry by a bit, and puts it in its place.
fn receive(bench: &Bench<'_>, root: BorrowedFd<'_>, missing: &[bool]) -> Result<()> {
    let bits = missing.chunks(8).map(|bits| {
        bits.iter().enumerate().fold(0_u8, |byte, (at, bit)| byte | u8::from(*bit) << at)
    });
    let bits = STANDARD.encode(bits.collect::<Vec<u8>>());
    let about = json!({ "context": true, "path": "files", "missing": bits });
    let failed = |source| Error::Build(gantry_build::Error::Archive(source));
    let applied = exchange::want(bench.engine, bench.listener(), &about, |content| {
        let options = ApplyOptions {
            whiteouts: Whiteouts::Plain,
            merge: Merge { root_stays: true, ..Merge::default() },
            ..ApplyOptions::default()
        };
        gantry_archive::apply(content, root, &options).map(drop).map_err(failed)
    })?;
    applied.ok_or_else(|| Error::invalid("the client did not send its build context: build again"))
}

/// What was there by the earlier list, was not sent therefore, and is not there.
fn lost(missing: &[bool], checked: &[Listed]) -> Vec<bool> {
    let all = missing.iter().zip(checked);
    all.map(|(is_missing, entry)| !is_missing && entry.mark == UNSETTLED).collect()
}

/// Removes what is there and not in the list, and takes the mark from what is in the list and not there: files come and go while a
/// client looks.
fn verify(root: BorrowedFd<'_>, wanted: Vec<Listed>) -> Result<Vec<Listed>> {
    let mut there = BTreeMap::new();
    let mut pending = vec![Vec::new()];
    while let Some(folder) = pending.pop() {
        let Some(dir) = open(root, &folder)? else { continue };
        for entry in Dir::read_from(&dir).map_err(|error| of_path(&folder, error))? {
            let entry = entry.map_err(|error| of_path(&folder, error))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let path =
                if folder.is_empty() { name.to_vec() } else { [&folder, &b"/"[..], name].concat() };
            let is_directory = match entry.file_type() {
                FileType::Unknown => {
                    let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW);
                    let stat = stat.map_err(|error| of_path(&path, error))?;
                    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                }
                kind => kind == FileType::Directory,
            };
            if is_directory {
                pending.push(path.clone());
            }
            there.insert(path, is_directory);
        }
    }
    let checked = wanted.into_iter().map(|mut entry| {
        let found = there.remove(&entry.path);
        if found != Some(entry.is_directory) {
            entry.mark = UNSETTLED;
        }
        entry
    });
    let checked = checked.collect();
    there.keys().try_for_each(|path| remove_at(root, path))?;
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(path: &str) -> Listed {
        Listed { path: path.as_bytes().to_vec(), is_directory: false, mark: [1; 16] }
    }

    fn mirror(root: &Path) -> Mirror {
        Mirror { path: root.join("room"), home: root.join("all/key"), is_whole: false }
    }

    /// One that holds the file `a`, given back.
    fn keep(root: &Path) {
        let mut one = mirror(root);
        assert!(one.take().unwrap().is_empty());
        fs::write(one.path.join("files/a"), "a").unwrap();
        one.write_listing(&[listed("a")]).unwrap();
        one.is_whole = true;
        one.give_back().unwrap();
    }

    #[test]
    fn files_of_an_earlier_boot_are_not_believed() {
        let root = tempfile::tempdir().unwrap();
        keep(root.path());
        let one = mirror(root.path());
        assert_eq!(one.take().unwrap(), [listed("a")]);
        fs::write(one.path.join("boot"), "another").unwrap();
        fs::rename(&one.path, &one.home).unwrap();
        assert!(one.take().unwrap().is_empty());
        assert!(!one.path.join("files/a").exists());
    }

    #[test]
    fn nobody_takes_what_is_being_removed() {
        let root = tempfile::tempdir().unwrap();
        keep(root.path());
        let all = root.path().join("all");
        let going = caches::set_aside(&all, "key").unwrap().unwrap();
        // The daemon died before it had removed all of it.
        fs::remove_file(all.join(going).join("files/a")).unwrap();
        assert!(mirror(root.path()).take().unwrap().is_empty());
        fs::remove_dir_all(root.path().join("room")).unwrap();
        caches::remove_parts(&all);
        assert_eq!(fs::read_dir(&all).unwrap().count(), 0);
        keep(root.path());
        remove(&all.join("key")).unwrap();
        assert_eq!(fs::read_dir(&all).unwrap().count(), 0);
    }

    #[test]
    fn what_should_be_there_and_is_not_is_asked_for() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "").unwrap();
        let all = vec![listed("a"), listed("b"), listed("c")];
        let root = File::open(root.path()).unwrap();
        let checked = verify(root.as_fd(), all.clone()).unwrap();
        let missing = prepare(root.as_fd(), &all[..2], &all).unwrap();
        assert_eq!(missing, [false, false, true]);
        assert_eq!(lost(&missing, &checked), [false, true, false]);
    }
}
