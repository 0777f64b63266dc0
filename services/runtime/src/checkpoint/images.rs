//! Directories of images and CRIU's work directories: opened once, and looked at before anything is read from them or written to them.
//!
//! CRIU opens its files by name inside these directories. A symbolic link with such a name, put there by whoever made the archive that
//! the directory was unpacked from, would make it read or overwrite any file of the host. So there may be none.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fchown, fstat, mkdirat, openat,
    readlinkat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::error::Error;
use crate::id_map;

/// More entries than this in one directory are refused.
const ENTRY_LIMIT: usize = 100_000;
/// An image may build upon an earlier one; so long may such a chain be.
const PARENT_LIMIT: usize = 64;
/// The link by which an image names the one that it builds upon.
const PARENT: &str = "parent";
/// The page server's socket, the one thing besides files.
const LAZY_SOCKET: &str = "lazy-pages.socket";

const DESCRIPTORS: &str = "descriptors.json";
const DESCRIPTORS_LIMIT_BYTES: u64 = 64 << 10;

/// An open directory.
#[derive(Debug)]
pub(super) struct ImageDir {
    pub path: PathBuf,
    fd: OwnedFd,
}

/// Names in a directory, and when each was changed last.
pub(super) type Inventory = BTreeMap<Vec<u8>, Option<(i64, u64)>>;

/// What the standard streams of a container's first process were, such as `pipe:[1234]`.
pub(super) type Descriptors = Vec<String>;

impl ImageDir {
    /// Opens a directory; one that is missing is made.
    pub(super) fn make(path: &Path) -> Result<Self, Error> {
        match mkdirat(CWD, path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Self::open(path),
            Err(error) => Err(Error::Write { path: path.to_owned(), source: error.into() }),
        }
    }

    /// Opens a directory in which nothing leads elsewhere.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error: Errno| Error::Read { path: path.to_owned(), source: error.into() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).map_err(failed)?;
        check_chain(&fd).map_err(|reason| Error::Images { path: path.to_owned(), reason })?;
        Ok(Self { path: path.to_owned(), fd })
    }

    /// The same directory by way of another process's mounts: CRIU mounts things in its work directory, and can do so only where the
    /// directory is one of its own namespace.
    pub(super) fn as_seen_by(&self, pid: i32) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: self.path.clone(), source };
        let path = self.path.canonicalize().map_err(failed)?;
        let mut through = PathBuf::from(format!("/proc/{pid}/root"));
        through.extend(path.components().filter(|part| *part != Component::RootDir));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            openat(CWD, &through, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        let identity = |fd: &OwnedFd| fstat(fd).map(|found| (found.st_dev, found.st_ino));
        if identity(&fd) != identity(&self.fd) {
            return Err(self.unusable("another directory took its place".to_owned()));
        }
        Ok(Self { path, fd })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The descriptor's number, as CRIU wants it.
    pub(super) fn number(&self) -> u32 {
        self.fd.as_raw_fd().unsigned_abs()
    }

    /// Refuses a directory that holds no checkpoint.
    pub(super) fn check_complete(&self) -> Result<(), Error> {
        match statat(&self.fd, "inventory.img", AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(self.unusable("there is no inventory.img in it, so it is no checkpoint".into()))
            }
        }
    }

    /// The names in the directory.
    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        let Ok(directory) = Dir::read_from(&self.fd) else { return Vec::new() };
        directory
            .flatten()
            .take(ENTRY_LIMIT)
            .map(|entry| entry.file_name().to_bytes().to_vec())
            .collect()
    }

    /// What is in the directory, for [`ImageDir::give_to`] and [`ImageDir::remove_since`].
    pub(super) fn inventory(&self) -> Inventory {
        let pair = |name: Vec<u8>| (name.clone(), self.last_change(&name));
        self.names().into_iter().map(pair).collect()
    }

    /// When a file was written last, or changed in another way.
    fn last_change(&self, name: &[u8]) -> Option<(i64, u64)> {
        let found = statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some((found.st_ctime, found.st_ctime_nsec))
    }

    /// Removes what was added by a checkpoint that failed. The log stays, for whoever wants to know why.
    pub(super) fn remove_since(&self, before: &Inventory, log: &str) {
        for name in self.names() {
            if name != log.as_bytes() && !before.contains_key(&name) {
                // What cannot be removed is of no harm.
                unlinkat(&self.fd, name.as_slice(), AtFlags::empty()).ok();
            }
        }
    }

    /// Makes what was added to the directory, or written anew, and the directory, somebody's.
    pub(super) fn give_to(&self, (uid, gid): (u32, u32), before: &Inventory) -> Result<(), Error> {
        let failed = |error: Errno| Error::Write { path: self.path.clone(), source: error.into() };
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        for name in self.names() {
            let is_old = before.get(&name).is_some_and(|at| *at == self.last_change(&name));
            if !matches!(name.as_slice(), b"." | b"..") && !is_old {
                chownat(&self.fd, name.as_slice(), uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(failed)?;
            }
        }
        fchown(&self.fd, uid, gid).map_err(failed)
    }

    pub(super) fn write_descriptors(&self, descriptors: &Descriptors) -> Result<(), Error> {
        let failed = |source: io::Error| Error::Write { path: self.path.join(DESCRIPTORS), source };
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.fd, DESCRIPTORS, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(file.map_err(|error| failed(error.into()))?);
        let text = serde_json::to_vec(descriptors).map_err(|error| failed(error.into()))?;
        file.write_all(&text).map_err(failed)
    }

    /// What the checkpoint says of the standard streams: at most three names, of pipes only.
    pub(super) fn read_descriptors(&self) -> Result<Descriptors, Error> {
        let path = || self.path.join(DESCRIPTORS);
        // A runtime that knows no such file wrote none: the streams are what the images say.
        let Some(text) = self.read(DESCRIPTORS, DESCRIPTORS_LIMIT_BYTES)? else {
            return Ok(Vec::new());
        };
        let all: Descriptors = serde_json::from_slice(&text)
            .map_err(|source| Error::Parse { path: path(), source })?;
        Ok(all
            .into_iter()
            .take(3)
            .map(|name| if is_pipe(&name) { name } else { String::new() })
            .collect())
    }

    /// A file of the directory, if it is there.
    pub(super) fn read(&self, name: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        let path = || self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(Error::Read { path: path(), source: error.into() }),
        };
        let mut bytes = Vec::new();
        let read = file.take(limit_bytes + 1).read_to_end(&mut bytes);
        read.map_err(|source| Error::Read { path: path(), source })?;
        if bytes.len() as u64 > limit_bytes {
            return Err(Error::TooLarge { path: path(), limit_bytes });
        }
        Ok(Some(bytes))
    }

    pub(super) fn unusable(&self, reason: String) -> Error {
        Error::Images { path: self.path.clone(), reason }
    }
}

/// The streams of a process, as far as there are names for them.
pub(super) fn descriptors_of(pid: i32) -> Descriptors {
    let name = |number: i32| fs::read_link(format!("/proc/{pid}/fd/{number}"));
    (0..3).map(|number| name(number).unwrap_or_default().to_string_lossy().into_owned()).collect()
}

/// The ids outside of root in a process's user namespace, unless they are those of the machine's root.
pub(super) fn root_of(pid: i32) -> Option<(u32, u32)> {
    let outside = |file: &str| {
        let map = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        let root = id_map::parse(&map).into_iter().find(|range| range.container_id == 0);
        root.map(|range| range.host_id)
    };
    outside("uid_map").zip(outside("gid_map")).filter(|ids| *ids != (0, 0))
}

pub(super) fn is_pipe(name: &str) -> bool {
    let number = name.strip_prefix("pipe:[").and_then(|rest| rest.strip_suffix(']'));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Checks the path by which an image names an earlier one.
pub(super) fn check_parent(path: &Path) -> Result<(), Error> {
    if path.is_relative() && path.components().next().is_some() {
        return Ok(());
    }
    let reason = format!("--parent-path {} is not relative to the image directory", path.display());
    Err(Error::InvalidConfig { reason })
}

/// Looks at a directory and at those that it builds upon.
fn check_chain(directory: &OwnedFd) -> Result<(), String> {
    let mut parent = check_entries(directory)?;
    for _ in 0..PARENT_LIMIT {
        let Some(path) = parent else { return Ok(()) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Relative to where the link lies, as the kernel will take it.
        let next = openat(path.0, &path.1, flags, Mode::empty()).map_err(|error| {
            format!("its parent {} cannot be opened: {error}", path.1.display())
        })?;
        parent = check_entries(&next)?;
    }
    Err(format!("it builds upon more than {PARENT_LIMIT} others"))
}

/// The directory's link to a parent, with the directory; an error when anything else in it is no regular file.
fn check_entries(directory: &OwnedFd) -> Result<Option<(OwnedFd, PathBuf)>, String> {
    let unreadable = |error: Errno| format!("it cannot be read: {error}");
    let mut parent = None;
    for (count, entry) in Dir::read_from(directory).map_err(unreadable)?.enumerate() {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if count >= ENTRY_LIMIT {
            return Err(format!("it has more than {ENTRY_LIMIT} entries"));
        }
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(unreadable)?;
        let shown = name.to_string_lossy().into_owned();
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => {}
            FileType::Socket if shown == LAZY_SOCKET => {}
            FileType::Symlink if shown == PARENT => {
                let target = readlinkat(directory, name, Vec::new()).map_err(unreadable)?;
                let target = Path::new(std::ffi::OsStr::from_bytes(target.as_bytes())).to_owned();
                if target.components().any(|part| part == Component::RootDir) {
                    return Err("its link \"parent\" is not relative".to_owned());
                }
                let copy =
                    directory.try_clone().map_err(|error| format!("it cannot be kept: {error}"))?;
                parent = Some((copy, target));
            }
            _ => return Err(format!("{shown:?} in it is not a regular file")),
        }
    }
    Ok(parent)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn open(path: &Path) -> Result<ImageDir, String> {
        ImageDir::open(path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_directory_with_a_way_out_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("core-1.img"), "x").unwrap();
        assert!(open(&path).is_ok());
        for make in [
            (|at: &Path| symlink("/etc/passwd", at)) as fn(&Path) -> io::Result<()>,
            |at| fs::create_dir(at),
            |at| std::os::unix::net::UnixListener::bind(at).map(drop),
        ] {
            make(&path.join("restore.log")).unwrap();
            let refused = open(&path).unwrap_err();
            assert!(refused.contains("\"restore.log\" in it is not a regular file"), "{refused}");
            if fs::remove_file(path.join("restore.log")).is_err() {
                fs::remove_dir(path.join("restore.log")).unwrap();
            }
        }
    }

    #[test]
    fn parents_are_looked_at_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let (images, before) = (dir.path().join("images"), dir.path().join("before"));
        fs::create_dir(&images).unwrap();
        fs::create_dir(&before).unwrap();
        symlink("../before", images.join("parent")).unwrap();
        assert!(open(&images).is_ok());
        symlink("/etc/passwd", before.join("pages-1.img")).unwrap();
        assert!(open(&images).unwrap_err().contains("pages-1.img"));
        fs::remove_file(images.join("parent")).unwrap();
        symlink("/etc", images.join("parent")).unwrap();
        assert!(open(&images).unwrap_err().contains("not relative"));
        fs::remove_file(images.join("parent")).unwrap();
        symlink("../images", images.join("parent")).unwrap();
        assert!(open(&images).unwrap_err().contains("more than 64"));
    }

    #[test]
    fn only_pipes_are_taken_from_the_descriptors() {
        let dir = tempfile::tempdir().unwrap();
        let images = ImageDir::open(dir.path()).unwrap();
        assert!(images.read_descriptors().unwrap().is_empty());
        let said = ["/dev/null", "pipe:[12]", "pipe:[x]", "pipe:[3]"].map(str::to_owned).to_vec();
        images.write_descriptors(&said).unwrap();
        assert_eq!(images.read_descriptors().unwrap(), ["", "pipe:[12]", ""]);
        for (text, words) in [("{", "parse"), ("[1]", "parse"), (&"x".repeat(70_000)[..], "larger")]
        {
            fs::write(dir.path().join(DESCRIPTORS), text).unwrap();
            let refused = images.read_descriptors().unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
        assert!(is_pipe("pipe:[7]") && !is_pipe("pipe:[]") && !is_pipe("net:[7]"));
    }

    #[test]
    fn only_what_was_added_is_given_away() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        for name in ["mine", "pages-1.img"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let images = ImageDir::open(dir.path()).unwrap();
        let before = images.inventory();
        fs::write(dir.path().join("core-1.img"), "").unwrap();
        // The kernel's clock for files has a grain of some milliseconds.
        let again = || fs::write(dir.path().join("pages-1.img"), "of a later checkpoint").unwrap();
        while images.last_change(b"pages-1.img") == before[b"pages-1.img".as_slice()] {
            again();
        }
        images.give_to((1234, 1235), &before).unwrap();
        let owner = |name: &str| {
            let found = fs::metadata(dir.path().join(name)).unwrap();
            (found.uid(), found.gid())
        };
        assert_eq!(owner("core-1.img"), (1234, 1235));
        assert_eq!(owner("pages-1.img"), (1234, 1235));
        assert_ne!(owner("mine"), (1234, 1235));
    }

    #[test]
    fn a_failed_checkpoint_leaves_its_log_only() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mine"), "").unwrap();
        let images = ImageDir::open(dir.path()).unwrap();
        let before = images.inventory();
        for name in ["core-1.img", "dump.log"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        images.remove_since(&before, "dump.log");
        assert!(!dir.path().join("core-1.img").exists());
        assert!(dir.path().join("mine").exists() && dir.path().join("dump.log").exists());
    }
}
