//! Copying a tree of files to another directory with everything that an archive would carry: owners, modes, times,
//! attributes, hard links, holes. Blocks are shared where the file system can.
//!
//! Somebody may be writing to the source, and to the destination when that is mounted elsewhere: nothing is followed there.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, SeekFrom, Stat, ftruncate, ioctl_ficlone,
    linkat, makedev, mkdirat, mknodat, openat, openat2, seek, statat, symlinkat,
};
use rustix::io::Errno;

use crate::path::join;
use crate::tree::MAX_DEPTH;
use crate::{EntryKind, Error, Header, Result, inode, metadata};

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Entries, without the directory itself.
    pub entries: u64,
    /// Bytes in files, holes included.
    pub bytes: u64,
}

/// Copies what is below `from` into the empty directory `to`, which gets the owner, mode and time of `from`. Sockets are
/// left out; a file that changes meanwhile is what it was at some moment of the copying.
///
/// # Errors
/// The tree cannot be read, is deeper than [`MAX_DEPTH`], or cannot be written. What was made until then is removed.
pub fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<Copied> {
    let mut copier =
        Copier { root: to, linked: HashMap::new(), copied: Copied::default(), made: Vec::new() };
    match all_of(&mut copier, from) {
        Ok(()) => Ok(copier.copied),
        Err(error) => {
            // Why it failed is told; what cannot be removed either stays.
            for name in &copier.made {
                drop(crate::tree::remove(to, name));
            }
            Err(error)
        }
    }
}

/// Goes through everything.
fn all_of(copier: &mut Copier<'_>, from: BorrowedFd<'_>) -> Result<()> {
    let to = copier.root;
    let failed = |source: Errno| Error::place("read", b".", source);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let source = openat(from, ".", flags, Mode::empty()).map_err(failed)?;
    let target = openat(to, ".", flags, Mode::empty()).map_err(failed)?;
    let stat = rustix::fs::fstat(&source).map_err(failed)?;
    let top = directory_header(source.as_fd(), b".", &stat)?;
    let mut frames = vec![Frame::new(source, target, Vec::new(), top)?];
    while let Some(frame) = frames.last_mut() {
        let Some(item) = frame.names.read() else {
            frame.finish()?;
            frames.pop();
            continue;
        };
        let item = item.map_err(failed)?;
        let name = item.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let below = copier.entry(frame, name)?;
        if let Some(below) = below {
            if frames.len() == MAX_DEPTH {
                return Err(Error::Limit { limit: MAX_DEPTH as u64, what: "levels" });
            }
            frames.push(below);
        }
    }
    Ok(())
}

/// A directory on the way. What it is itself is set at its end, for everything made in it changes its time.
struct Frame {
    names: Dir,
    from: OwnedFd,
    to: OwnedFd,
    path: Vec<u8>,
    header: Header,
}

impl Frame {
    fn new(from: OwnedFd, to: OwnedFd, path: Vec<u8>, header: Header) -> Result<Self> {
        let names =
            Dir::read_from(&from).map_err(|source| Error::place("read", &header.path, source))?;
        Ok(Self { names, from, to, path, header })
    }

    fn finish(&self) -> Result<()> {
        metadata::on_fd(self.to.as_fd(), &self.header)?;
        metadata::time_on_fd(self.to.as_fd(), &self.header.path, self.header.modified)
    }
}

struct Copier<'a> {
    root: BorrowedFd<'a>,
    /// The first path of every inode that has several names.
    linked: HashMap<(u64, u64), Vec<u8>>,
    copied: Copied,
    /// What was made in the destination itself.
    made: Vec<Vec<u8>>,
}

impl Copier<'_> {
    /// Copies one entry; a directory comes back to be gone through. What has vanished is passed over.
    fn entry(&mut self, frame: &Frame, name: &[u8]) -> Result<Option<Frame>> {
        let (from, to) = (frame.from.as_fd(), frame.to.as_fd());
        let path = join(&frame.path, name);
        let stat = match statat(from, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(source) => return Err(Error::place("read", &path, source)),
        };
        let Some(mut header) = inode::header(from, name, &path, &stat)? else { return Ok(None) };
        self.copied.entries += 1;
        if frame.path.is_empty()
            && statat(to, name, AtFlags::SYMLINK_NOFOLLOW).is_err_and(|error| error == Errno::NOENT)
        {
            self.made.push(name.to_vec());
        }
        if header.kind == EntryKind::Directory {
            return enter(from, to, name, (path, &stat));
        }
        let failed = |source: Errno| Error::place("make", &path, source);
        if let Some(first) = self.linked.get(&(stat.st_dev, stat.st_ino)) {
            link(self.root, first, to, name).map_err(failed)?;
            return Ok(None);
        }
        match &header.kind {
            EntryKind::File => {
                let Some(bytes) = copy_file(from, to, name, (&mut header, &stat))? else {
                    return Ok(None);
                };
                self.copied.bytes += bytes;
            }
            EntryKind::Symlink { target } => {
                symlinkat(&target[..], to, name).map_err(failed)?;
                metadata::owner_on_name(to, name, &header)?;
                metadata::time_on_name(to, name, &header)?;
            }
            kind => {
                make_node(to, name, kind).map_err(failed)?;
                metadata::owner_on_name(to, name, &header)?;
                metadata::mode_on_name(to, name, &header)?;
                metadata::time_on_name(to, name, &header)?;
            }
        }
        if stat.st_nlink > 1 {
            self.linked.insert((stat.st_dev, stat.st_ino), path);
        }
        Ok(None)
    }
}

/// Another name for what was made at `first`. No link that somebody has put on the way there is followed.
fn link(root: BorrowedFd<'_>, first: &[u8], to: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let (above, last) = match first.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&first[..at], &first[at + 1..]),
        None => (&b"."[..], first),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let above = openat2(root, above, flags, Mode::empty(), resolve)?;
    linkat(&above, last, to, name, AtFlags::empty())
}

fn directory_header(dir: BorrowedFd<'_>, path: &[u8], stat: &Stat) -> Result<Header> {
    let header = inode::header(dir, b".", path, stat)?;
    let mut header = header.ok_or_else(|| Error::entry(path, "is not a directory"))?;
    header.xattrs = inode::xattrs(dir, path)?;
    Ok(header)
}

/// Makes a directory like that one, and opens both; none when it is another by now.
fn enter(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &[u8],
    (path, stat): (Vec<u8>, &Stat),
) -> Result<Option<Frame>> {
    let failed = |action| {
        let path = path.clone();
        move |source: Errno| Error::place(action, &path, source)
    };
    let source = match inode::open(from, name, stat) {
        Ok(source) => source,
        Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(failed("read")(error)),
    };
    let header = directory_header(source.as_fd(), &path, stat)?;
    mkdirat(to, name, Mode::RWXU).map_err(failed("make the directory"))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = openat(to, name, flags, Mode::empty()).map_err(failed("open"))?;
    Frame::new(source, target, path, header).map(Some)
}

/// Copies one file; its bytes, or none when it is another by now.
fn copy_file(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &[u8],
    (header, stat): (&mut Header, &Stat),
) -> Result<Option<u64>> {
    let source = match inode::open(from, name, stat) {
        Ok(source) => source,
        Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(Error::place("read", &header.path, error)),
    };
    header.xattrs = inode::xattrs(source.as_fd(), &header.path)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = openat(to, name, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| Error::place("make", &header.path, error))?;
    let (source, target) = (File::from(source), File::from(target));
    if ioctl_ficlone(&target, &source).is_err() {
        copy_data(&source, &target, header.size)
            .map_err(|error| Error::place("copy", &header.path, error))?;
    }
    metadata::on_fd(target.as_fd(), header)?;
    metadata::time_on_fd(target.as_fd(), &header.path, header.modified)?;
    Ok(Some(header.size))
}

/// Copies `size` bytes at most, and leaves holes where there are some.
fn copy_data(source: &File, target: &File, size: u64) -> io::Result<()> {
    let mut at = 0;
    while at < size {
        let begin = match seek(source, SeekFrom::Data(at)) {
            Ok(begin) => begin.min(size),
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            // It tells of no holes: everything is data.
            Err(Errno::INVAL) => at,
            Err(error) => return Err(error.into()),
        };
        let end = match seek(source, SeekFrom::Hole(begin)) {
            Ok(end) if end > begin => end.min(size),
            Ok(_) | Err(Errno::INVAL | Errno::NXIO) => size,
            Err(error) => return Err(error.into()),
        };
        if begin >= end {
            break;
        }
        seek(source, SeekFrom::Start(begin))?;
        seek(target, SeekFrom::Start(begin))?;
        // By the kernel where it can; a file that became shorter meanwhile ends here.
        let copied = io::copy(&mut io::Read::take(source, end - begin), &mut &*target)?;
        if copied < end - begin {
            break;
        }
        at = end;
    }
    Ok(ftruncate(target, size)?)
}

fn make_node(dir: BorrowedFd<'_>, name: &[u8], kind: &EntryKind) -> Result<(), Errno> {
    let (kind, device) = match *kind {
        EntryKind::CharDevice { major, minor } => {
            (FileType::CharacterDevice, makedev(major, minor))
        }
        EntryKind::BlockDevice { major, minor } => (FileType::BlockDevice, makedev(major, minor)),
        _ => (FileType::Fifo, 0),
    };
    mknodat(dir, name, kind, Mode::RUSR | Mode::WUSR, device)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use super::*;

    fn copied(from: &Path, to: &Path) -> Copied {
        let [from, to] = [from, to].map(|path| File::open(path).unwrap());
        copy(from.as_fd(), to.as_fd()).unwrap()
    }

    #[test]
    fn copies_everything_as_it_is() {
        let temp = tempfile::tempdir().unwrap();
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        std::fs::create_dir_all(from.join("dir/below")).unwrap();
        std::fs::create_dir(&to).unwrap();
        std::fs::write(from.join("dir/file"), "text").unwrap();
        std::fs::hard_link(from.join("dir/file"), from.join("again")).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        let node = File::open(&from).unwrap();
        mknodat(&node, "pipe", FileType::Fifo, Mode::RUSR, 0).unwrap();
        let sparse = File::create(from.join("sparse")).unwrap();
        sparse.set_len(64 << 20).unwrap();
        std::os::unix::fs::FileExt::write_at(&sparse, b"end", (64 << 20) - 3).unwrap();
        std::os::unix::fs::chown(from.join("dir"), Some(12), Some(34)).unwrap();
        std::fs::set_permissions(&from, PermissionsExt::from_mode(0o1751)).unwrap();
        let done = copied(&from, &to);
        assert_eq!(done.entries, 7);
        let [file, again] = ["dir/file", "again"].map(|name| to.join(name).metadata().unwrap());
        assert_eq!((file.ino(), file.nlink()), (again.ino(), 2));
        assert_eq!(std::fs::read(to.join("again")).unwrap(), b"text");
        assert_eq!(to.join("link").read_link().unwrap(), Path::new("/etc/passwd"));
        let dir = to.join("dir").metadata().unwrap();
        assert_eq!((dir.uid(), dir.gid()), (12, 34));
        assert_eq!(
            dir.modified().unwrap(),
            from.join("dir").metadata().unwrap().modified().unwrap()
        );
        assert_eq!(to.metadata().unwrap().mode() & 0o7777, 0o1751);
        let sparse = to.join("sparse").metadata().unwrap();
        assert_eq!(sparse.len(), 64 << 20);
        assert!(sparse.blocks() < 1000, "{}", sparse.blocks());
        assert!(std::fs::read(to.join("sparse")).unwrap().ends_with(b"\0end"));
        assert!(to.join("pipe").symlink_metadata().unwrap().mode() & 0o170_000 == 0o010_000);
    }

    #[test]
    fn a_failure_leaves_nothing_and_takes_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| temp.path().join(name));
        for dir in [&from, &to] {
            std::fs::create_dir(dir).unwrap();
        }
        for number in 0..50 {
            std::fs::create_dir(from.join(format!("dir{number}"))).unwrap();
            std::fs::write(from.join(format!("dir{number}/file")), "text").unwrap();
        }
        // Somebody else's.
        std::fs::write(to.join("dir7"), "kept").unwrap();
        let [source, target] = [&from, &to].map(|path| File::open(path).unwrap());
        copy(source.as_fd(), target.as_fd()).unwrap_err();
        let left: Vec<_> = std::fs::read_dir(&to).unwrap().map(|one| one.unwrap()).collect();
        assert_eq!(left.len(), 1);
        assert_eq!(std::fs::read(to.join("dir7")).unwrap(), b"kept");
    }

    #[test]
    fn links_that_somebody_puts_in_the_way_lead_nowhere() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("to")).unwrap();
        std::fs::create_dir(temp.path().join("outside")).unwrap();
        let secret = temp.path().join("outside/secret");
        std::fs::write(&secret, "").unwrap();
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
        symlink("../outside", temp.path().join("to/dir")).unwrap();
        symlink("../outside/secret", temp.path().join("to/node")).unwrap();
        let to = File::open(temp.path().join("to")).unwrap();
        link(to.as_fd(), b"dir/secret", to.as_fd(), b"stolen").unwrap_err();
        metadata::mode_on_name(to.as_fd(), b"node", &Header::file("node", 0o777)).unwrap_err();
        assert_eq!(secret.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(!temp.path().join("to/stolen").exists());
    }
}
