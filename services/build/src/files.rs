//! Files on their way into a layer: by the path that they get, in the order in which an archive has them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use gantry_archive::{EntryKind, Header, Writer, Xattr, carries};
use gantry_types::Timestamp;
use rustix::fs::{
    AtFlags, Dir, FileType, OFlags, Stat, fgetxattr, flistxattr, fstat, major, minor, statat,
};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::key::Key;
use crate::place::{self, kind};
use crate::{Error, Result};

/// How many files one step may bring.
const MAX_FILES: usize = 4_000_000;
/// How many bytes all that is known of one step's files may take: paths, attributes, and a part for each.
const MAX_BYTES: usize = 512 << 20;
/// How many bytes the names of one directory may have.
const MAX_NAMES: usize = 256 << 20;
/// How deep directories may lie in one another.
const MAX_DEPTH: usize = 512;
/// The most bytes of one extended attribute.
const MAX_XATTR: usize = 64 << 10;

/// Files by their paths in the root, without a slash at the beginning.
#[derive(Debug, Default)]
pub(crate) struct Files {
    items: BTreeMap<Vec<u8>, Item>,
    /// What they take.
    bytes: usize,
}

#[derive(Debug)]
struct Item {
    header: Header,
    data: Data,
    /// It is there already, and only mentioned so that what lies in it has a parent.
    is_there: bool,
}

#[derive(Debug)]
enum Data {
    None,
    Bytes(Vec<u8>),
    /// A path without links in a tree.
    At(Arc<OwnedFd>, Vec<u8>),
}

/// What is not as in the source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Changes {
    /// The owner and group of everything.
    pub(crate) owner: Option<(u32, u32)>,
    /// The permissions of everything.
    pub(crate) mode: Option<u32>,
}

impl Files {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.values().all(|item| item.is_there)
    }

    pub(crate) fn has(&self, path: &[u8]) -> bool {
        self.items.contains_key(path)
    }

    /// A directory that is there.
    pub(crate) fn mention(&mut self, path: &[u8], stat: &Stat) {
        let item = Item {
            header: header(path, EntryKind::Directory, stat),
            data: Data::None,
            is_there: true,
        };
        self.items.entry(path.to_vec()).or_insert(item);
    }

    /// A directory that is new.
    pub(crate) fn make(&mut self, path: &[u8], (uid, gid): (u32, u32), mode: u32, now: Timestamp) {
        let mut header = Header::directory(path, mode);
        (header.uid, header.gid, header.modified) = (uid, gid, now);
        let item = Item { header, data: Data::None, is_there: false };
        self.items.entry(path.to_vec()).or_insert(item);
    }

    /// A file that stands in the Dockerfile.
    pub(crate) fn write(
        &mut self,
        path: &[u8],
        content: Vec<u8>,
        changes: Changes,
        now: Timestamp,
    ) -> Result<()> {
        unreserved(path)?;
        let mut header = Header::file(path, changes.mode.unwrap_or(0o644));
        (header.uid, header.gid) = changes.owner.unwrap_or_default();
        (header.size, header.modified) = (content.len() as u64, now);
        let item = Item { header, data: Data::Bytes(content), is_there: false };
        self.items.insert(path.to_vec(), item);
        Ok(())
    }

    /// What lies at `from` in a tree, under the path `to`; of a directory only itself.
    pub(crate) fn bring(
        &mut self,
        tree: &Arc<OwnedFd>,
        from: &[u8],
        to: &[u8],
        changes: Changes,
    ) -> Result<()> {
        unreserved(to)?;
        let failed = |error: Errno| Error::read(from, error);
        let node =
            place::open(tree.as_fd(), from, OFlags::PATH | OFlags::NOFOLLOW).map_err(failed)?;
        let stat = fstat(&node).map_err(failed)?;
        let (entry, data) = match kind(&stat) {
            FileType::Directory => (EntryKind::Directory, Data::None),
            FileType::RegularFile => (EntryKind::File, Data::At(Arc::clone(tree), from.to_vec())),
            FileType::Symlink => {
                let target = place::link_target(tree.as_fd(), from)?;
                (EntryKind::Symlink { target }, Data::None)
            }
            FileType::Fifo => (EntryKind::Fifo, Data::None),
            FileType::CharacterDevice => {
                let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
                (EntryKind::CharDevice { major, minor }, Data::None)
            }
            FileType::BlockDevice => {
                let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
                (EntryKind::BlockDevice { major, minor }, Data::None)
            }
            // Sockets mean nothing in an image.
            _ => return Ok(()),
        };
        let mut header = header(to, entry, &stat);
        header.xattrs = match kind(&stat) {
            FileType::Directory | FileType::RegularFile => xattrs(tree, from)?,
            _ => Vec::new(),
        };
        if let Some((uid, gid)) = changes.owner {
            (header.uid, header.gid) = (uid, gid);
        }
        if let Some(mode) = changes.mode.filter(|_| kind(&stat) != FileType::Symlink) {
            header.mode = mode;
        }
        if self.items.len() >= MAX_FILES {
            return Err(Error::Limit {
                what: "the number of files of one step",
                limit: MAX_FILES as u64,
            });
        }
        let item = Item { header, data, is_there: false };
        self.bytes = self.bytes.saturating_add(item.bytes());
        if self.bytes > MAX_BYTES {
            return Err(Error::Limit {
                what: "the bytes of the names and attributes of one step's files",
                limit: MAX_BYTES as u64,
            });
        }
        self.items.insert(to.to_vec(), item);
        Ok(())
    }

    /// Adds to a key all that a layer of these files depends on. When they were changed is no part of it.
    pub(crate) fn identify(
        &self,
        key: &mut Key,
        check_wanted: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        for (path, item) in &self.items {
            check_wanted()?;
            let header = &item.header;
            key.part(path);
            if item.is_there {
                continue;
            }
            key.part(format!("{:?} {:o} {} {}", header.kind, header.mode, header.uid, header.gid));
            for xattr in &header.xattrs {
                key.part(&xattr.name);
                key.part(&xattr.value);
            }
            key.part(item.data.digest()?);
        }
        Ok(())
    }

    /// Writes them as a layer.
    pub(crate) fn archive(&self, output: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(output);
        for item in self.items.values() {
            match &item.data {
                Data::None => writer.append_header(&item.header)?,
                Data::Bytes(bytes) => writer.append_bytes(&item.header, bytes)?,
                Data::At(tree, path) => {
                    let file = open_file(tree, path)?;
                    // A file that became shorter is filled up; one that became longer is cut off.
                    let data = file.chain(io::repeat(0)).take(item.header.size);
                    writer.append(&item.header, data)?;
                }
            }
        }
        writer.finish()?;
        Ok(())
    }
}

impl Item {
    /// What it takes, with its key: its own size, and that of all it points to.
    fn bytes(&self) -> usize {
        let xattrs = self.header.xattrs.iter().map(|xattr| xattr.name.len() + xattr.value.len());
        let target = match &self.header.kind {
            EntryKind::Symlink { target } => target.len(),
            _ => 0,
        };
        let data = match &self.data {
            Data::None => 0,
            Data::Bytes(bytes) => bytes.len(),
            Data::At(_, path) => path.len(),
        };
        size_of::<Self>() + 2 * self.header.path.len() + xattrs.sum::<usize>() + target + data
    }
}

/// Refuses paths that a layer would read as deletions.
pub(crate) fn unreserved(path: &[u8]) -> Result<()> {
    if place::names(path).any(|name| name.starts_with(b".wh.")) {
        return Err(Error::Reserved(String::from_utf8_lossy(path).into_owned()));
    }
    Ok(())
}

impl Data {
    fn digest(&self) -> Result<Vec<u8>> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Bytes(bytes) => Ok(Sha256::digest(bytes).to_vec()),
            Self::At(tree, path) => {
                let mut file = open_file(tree, path)?;
                let mut hasher = Sha256::new();
                let mut buffer = vec![0; 128 << 10];
                loop {
                    match file.read(&mut buffer).map_err(|error| Error::read(path, error))? {
                        0 => return Ok(hasher.finalize().to_vec()),
                        count => hasher.update(&buffer[..count]),
                    }
                }
            }
        }
    }
}

fn open_file(tree: &OwnedFd, path: &[u8]) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = place::open(tree.as_fd(), path, flags).map_err(|error| Error::read(path, error))?;
    Ok(File::from(file))
}

fn header(path: &[u8], entry: EntryKind, stat: &Stat) -> Header {
    let is_file = entry == EntryKind::File;
    let mut header = Header::new(path, entry, stat.st_mode & 0o7777);
    (header.uid, header.gid) = (stat.st_uid, stat.st_gid);
    header.size = if is_file { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    // Whole seconds: what is finer makes each entry longer, and tells nobody anything.
    header.modified = Timestamp { seconds: stat.st_mtime, nanos: 0 };
    header
}

fn xattrs(tree: &OwnedFd, path: &[u8]) -> Result<Vec<Xattr>> {
    let failed = |error: Errno| Error::read(path, error);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = place::open(tree.as_fd(), path, flags).map_err(failed)?;
    let mut names = vec![0_u8; MAX_XATTR];
    let length = match flistxattr(&file, &mut names) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => 0,
        Err(error) => return Err(failed(error)),
    };
    let mut xattrs = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| carries(name)) {
        let mut value = vec![0; MAX_XATTR];
        match fgetxattr(&file, name, &mut value) {
            Ok(length) => {
                value.truncate(length);
                value.shrink_to_fit();
                xattrs.push(Xattr { name: name.to_vec(), value });
            }
            Err(Errno::NODATA) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    xattrs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(xattrs)
}

/// Shows the paths of all that lies below a directory of a tree to `visit`, directories before what is in them; `visit` says
/// whether to look into one.
pub(crate) fn walk(
    tree: &Arc<OwnedFd>,
    directory: &[u8],
    visit: &mut dyn FnMut(&[u8], FileType) -> Result<bool>,
) -> Result<()> {
    let mut frames = vec![(directory.to_vec(), names_of(tree, directory)?)];
    while let Some((parent, names)) = frames.last_mut() {
        let Some(name) = names.pop() else {
            frames.pop();
            continue;
        };
        let path = join(parent, &name);
        let stat = place::look(tree.as_fd(), &path)?;
        let Some(stat) = stat else { continue };
        let looks_into = visit(&path, kind(&stat))?;
        if looks_into && kind(&stat) == FileType::Directory {
            if frames.len() == MAX_DEPTH {
                return Err(Error::Limit {
                    what: "the depth of directories",
                    limit: MAX_DEPTH as u64,
                });
            }
            let names = names_of(tree, &path)?;
            frames.push((path, names));
        }
    }
    Ok(())
}

/// The names of what is in a directory, the last one first.
pub(crate) fn names_of(tree: &OwnedFd, directory: &[u8]) -> Result<Vec<Vec<u8>>> {
    let failed = |error: Errno| Error::read(directory, error);
    let dir =
        place::open(tree.as_fd(), directory, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
    let (mut names, mut bytes) = (Vec::new(), 0);
    for item in Dir::read_from(&dir).map_err(failed)? {
        let item = item.map_err(failed)?;
        let name = item.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        // One that vanished meanwhile was never there.
        if statat(&dir, item.file_name(), AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            bytes += size_of::<Vec<u8>>() + name.len();
            if bytes > MAX_NAMES {
                let what = "the bytes of the names in one directory";
                return Err(Error::Limit { what, limit: MAX_NAMES as u64 });
            }
            names.push(name.to_vec());
        }
    }
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names)
}

pub(crate) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}
