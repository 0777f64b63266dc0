//! Files on their way into a layer: by the path that they get, in the order in which an archive has them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use gantry_archive::{ApplyOptions, EntryKind, Hashing, Header, Whiteouts, Writer, Xattr, carries};
use gantry_types::{Algorithm, Digest, Timestamp};
use rustix::fs::{FileType, OFlags, Stat, fgetxattr, flistxattr, fstat, major, minor};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::hashes::{Hashes, Known, Mark};
use crate::key::Key;
use crate::place::{self, kind};
use crate::walk::Visited;
use crate::workshop::Download;
use crate::{Error, Result};

/// How many files one step may bring.
const MAX_FILES: usize = 4_000_000;
/// How many bytes all that is known of one step's files may take: paths, attributes, and a part for each.
const MAX_BYTES: usize = 512 << 20;
/// What the place of one takes beside it, roughly.
const SLOT_BYTES: usize = 80;
/// The most bytes of one extended attribute.
const MAX_XATTR: usize = 64 << 10;
/// Bytes of a file that are read at once.
const READ_BYTES: usize = 128 << 10;
/// How many threads read files at the same time, and how many files make another one worth it.
const MAX_THREADS: usize = 8;
const FILES_EACH: usize = 64;

/// Files by their paths in the root, without a slash at the beginning.
#[derive(Debug, Default)]
pub(crate) struct Files {
    items: BTreeMap<Vec<u8>, Box<Item>>,
    /// What they take.
    bytes: usize,
    /// Of files that somebody may be changing: what is known of them.
    hashes: Option<Arc<Hashes>>,
    /// Where the last file came from: others mostly come from there, too.
    origin: Option<Arc<Origin>>,
}

/// Where the paths of files begin in their tree.
#[derive(Debug)]
struct Origin {
    tree: Arc<OwnedFd>,
    path: Vec<u8>,
}

#[derive(Debug)]
struct Item {
    /// Without a path, which is its key: there are many.
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
    At(Found),
    /// A file that has no place in any tree, and the digest of its bytes.
    Held(File, Digest),
}

/// A file of a tree.
#[derive(Debug)]
struct Found {
    origin: Arc<Origin>,
    /// Its path goes on there as its key does behind so many bytes.
    cut: usize,
    /// What it was when it was looked at.
    mark: Mark,
    is_plain: bool,
    /// That of its content, once it was read.
    digest: OnceLock<[u8; 32]>,
}

/// What is not as in the source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Changes {
    /// The owner and group of everything.
    pub(crate) owner: Option<(u32, u32)>,
    /// The permissions of everything.
    pub(crate) mode: Option<u32>,
    /// When everything was changed.
    pub(crate) modified: Modified,
    /// Others may do what the owner may, but for writing: whatever the mask was when the files were written.
    pub(crate) ignores_mask: bool,
}

/// When files were changed, as their layer says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Modified {
    /// As it is in the source.
    #[default]
    AsItIs,
    /// The same, but not later than this.
    NotAfter(Timestamp),
    /// Then.
    At(Timestamp),
}

impl Changes {
    /// What becomes of a file that is no link and has no permissions by the step's word.
    fn unmasked(&self, mode: u32) -> u32 {
        if self.ignores_mask {
            mode & 0o7700 | (mode >> 3 & 0o050) | (mode >> 6 & 0o005)
        } else {
            mode
        }
    }

    fn time(&self, own: Timestamp) -> Timestamp {
        match self.modified {
            Modified::AsItIs => own,
            Modified::NotAfter(latest) => own.min(latest),
            Modified::At(then) => then,
        }
    }
}

impl Files {
    /// None so far, out of a tree of which some is known.
    pub(crate) fn knowing(hashes: Option<Arc<Hashes>>) -> Self {
        Self { hashes, ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.values().all(|item| item.is_there)
    }

    pub(crate) fn has(&self, path: &[u8]) -> bool {
        self.items.contains_key(path)
    }

    /// A directory that is there.
    pub(crate) fn mention(&mut self, path: &[u8], stat: &Stat) {
        let item =
            Item { header: header(EntryKind::Directory, stat), data: Data::None, is_there: true };
        self.items.entry(path.to_vec()).or_insert(Box::new(item));
    }

    /// A directory that is new.
    pub(crate) fn make(&mut self, path: &[u8], (uid, gid): (u32, u32), mode: u32, now: Timestamp) {
        let mut header = Header::directory(b"", mode);
        (header.uid, header.gid, header.modified) = (uid, gid, now);
        let item = Item { header, data: Data::None, is_there: false };
        self.items.entry(path.to_vec()).or_insert(Box::new(item));
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
        let mut header = Header::file(b"", changes.mode.unwrap_or(0o644));
        (header.uid, header.gid) = changes.owner.unwrap_or_default();
        (header.size, header.modified) = (content.len() as u64, now);
        self.insert(path, Item { header, data: Data::Bytes(content), is_there: false })
    }

    /// A file that was fetched. When its server says nothing of its time, it is from now.
    pub(crate) fn bring_download(
        &mut self,
        path: &[u8],
        download: Download,
        changes: Changes,
        now: Timestamp,
    ) -> Result<()> {
        unreserved(path)?;
        let stat = fstat(&download.file).map_err(|error| Error::read(path, error))?;
        let mut header = header(EntryKind::File, &stat);
        (header.uid, header.gid) = changes.owner.unwrap_or_default();
        header.mode = changes.mode.unwrap_or(header.mode);
        header.modified = changes.time(download.modified.unwrap_or(now));
        let data = Data::Held(download.file, download.digest);
        self.insert(path, Item { header, data, is_there: false })
    }

    /// What lies at `from` in a tree, under the path `to`; of a directory only itself.
    pub(crate) fn bring(
        &mut self,
        tree: &Arc<OwnedFd>,
        from: &[u8],
        to: &[u8],
        changes: Changes,
    ) -> Result<()> {
        let failed = |error: Errno| Error::read(from, error);
        let node =
            place::open(tree.as_fd(), from, OFlags::PATH | OFlags::NOFOLLOW).map_err(failed)?;
        let stat = fstat(&node).map_err(failed)?;
        let name = CString::new(if from.is_empty() { b"." } else { from });
        let name = name.map_err(|error| Error::read(from, io::Error::from(error)))?;
        let place = Visited { directory: tree.as_fd(), name: &name, path: from, stat: &stat };
        self.bring_visited(tree, place, to, changes)
    }

    /// What was found in a tree, under the path `to`; of a directory only itself.
    pub(crate) fn bring_visited(
        &mut self,
        tree: &Arc<OwnedFd>,
        found: Visited<'_>,
        to: &[u8],
        changes: Changes,
    ) -> Result<()> {
        unreserved(to)?;
        let stat = found.stat;
        let entry = match found.kind() {
            FileType::Directory => EntryKind::Directory,
            FileType::RegularFile => EntryKind::File,
            FileType::Symlink => {
                let target = place::link_target(found.directory, found.name.to_bytes())?;
                EntryKind::Symlink { target }
            }
            FileType::Fifo => EntryKind::Fifo,
            FileType::CharacterDevice => {
                let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
                EntryKind::CharDevice { major, minor }
            }
            FileType::BlockDevice => {
                let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
                EntryKind::BlockDevice { major, minor }
            }
            // Sockets mean nothing in an image.
            _ => return Ok(()),
        };
        let mut header = header(entry, stat);
        let data = match found.kind() {
            FileType::RegularFile => {
                let found = self.file(tree, found, (to, &mut header))?;
                Data::At(found)
            }
            FileType::Directory => {
                header.xattrs = xattrs(found)?;
                Data::None
            }
            _ => Data::None,
        };
        if let Some((uid, gid)) = changes.owner {
            (header.uid, header.gid) = (uid, gid);
        }
        header.modified = changes.time(header.modified);
        if found.kind() != FileType::Symlink {
            header.mode = changes.mode.unwrap_or_else(|| changes.unmasked(header.mode));
        }
        self.insert(to, Item { header, data, is_there: false })
    }

    /// An ordinary file; what is known of it is not looked at again.
    fn file(
        &mut self,
        tree: &Arc<OwnedFd>,
        found: Visited<'_>,
        (to, header): (&[u8], &mut Header),
    ) -> Result<Found> {
        let mark = Mark::of(found.stat);
        let known = self.hashes.as_ref().and_then(|hashes| hashes.find(&mark));
        let digest = OnceLock::new();
        if let Some(known) = known {
            digest.get_or_init(|| known.digest);
        }
        if known.is_none_or(|known| !known.is_plain) {
            header.xattrs = xattrs(found)?;
        }
        let is_plain = header.xattrs.is_empty();
        let (origin, cut) = self.origin(tree, found.path, to);
        Ok(Found { origin, cut, mark, is_plain, digest })
    }

    /// Where a path in a tree begins to be another one than `to`, and where that begins to be the same.
    fn origin(&mut self, tree: &Arc<OwnedFd>, path: &[u8], to: &[u8]) -> (Arc<Origin>, usize) {
        let alike = path.iter().rev().zip(to.iter().rev());
        let alike = alike.take_while(|(one, other)| one == other).count();
        let begins = &path[..path.len() - alike];
        let is_same =
            |origin: &&Arc<Origin>| Arc::ptr_eq(&origin.tree, tree) && origin.path == begins;
        let origin = match self.origin.as_ref().filter(is_same) {
            Some(origin) => Arc::clone(origin),
            None => Arc::new(Origin { tree: Arc::clone(tree), path: begins.to_vec() }),
        };
        self.origin = Some(Arc::clone(&origin));
        (origin, to.len() - alike)
    }

    fn insert(&mut self, to: &[u8], item: Item) -> Result<()> {
        if self.items.len() >= MAX_FILES {
            return Err(Error::Limit {
                what: "the number of files of one step",
                limit: MAX_FILES as u64,
            });
        }
        self.bytes = self.bytes.saturating_add(item.bytes() + SLOT_BYTES + to.len());
        if self.bytes > MAX_BYTES {
            return Err(Error::Limit {
                what: "the bytes of the names and attributes of one step's files",
                limit: MAX_BYTES as u64,
            });
        }
        match self.items.entry(to.to_vec()) {
            Entry::Vacant(place) => {
                place.insert(Box::new(item));
            }
            // What lies in a directory would lie in a file, or the other way round.
            Entry::Occupied(place) if place.get().is_directory() != item.is_directory() => {
                return Err(Error::obstacle(to, item.is_directory()));
            }
            Entry::Occupied(mut place) => {
                place.insert(Box::new(item));
            }
        }
        Ok(())
    }

    /// Reads the files whose digests are not known, several at once.
    fn read_unknown(&self, check_wanted: &(dyn Fn() -> Result<()> + Sync)) -> Result<()> {
        let unknown = self.items.iter().filter(
            |(_, item)| matches!(&item.data, Data::At(found) if found.digest.get().is_none()),
        );
        let unknown: Vec<_> = unknown.collect();
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            let mut buffer = vec![0; READ_BYTES];
            while let Some((key, item)) = unknown.get(next.fetch_add(1, Ordering::Relaxed)) {
                check_wanted()?;
                let Data::At(found) = &item.data else { continue };
                let digest = found.read(key, &mut buffer)?;
                found.digest.get_or_init(|| digest);
                if let Some(hashes) = &self.hashes {
                    hashes.learn(found.mark, Known { digest, is_plain: found.is_plain });
                }
            }
            Ok(())
        };
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = cores.min(MAX_THREADS).min(unknown.len() / FILES_EACH);
        if threads < 2 {
            return work();
        }
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    /// Adds to a key all that a layer of these files depends on. When they were changed is no part of it.
    pub(crate) fn identify(
        &self,
        key: &mut Key,
        check_wanted: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        self.read_unknown(check_wanted)?;
        key.number(self.items.len() as u64);
        for (path, item) in &self.items {
            let header = &item.header;
            key.part(path);
            if item.is_there {
                key.part("there");
                continue;
            }
            key.part(format!("{:?} {:o} {} {}", header.kind, header.mode, header.uid, header.gid));
            key.number(header.xattrs.len() as u64);
            for xattr in &header.xattrs {
                key.part(&xattr.name);
                key.part(&xattr.value);
            }
            key.part(item.data.digest(path)?);
        }
        Ok(())
    }

    /// Puts them into an empty directory.
    pub(crate) fn lay_out(&self, directory: BorrowedFd<'_>) -> Result<()> {
        let (reader, writer) = io::pipe().map_err(|error| Error::read(b"", error))?;
        thread::scope(|scope| {
            let writing = scope.spawn(move || {
                let mut writer = BufWriter::with_capacity(READ_BYTES, writer);
                self.archive(&mut writer)
            });
            let options = ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() };
            let applied = gantry_archive::apply(reader, directory, &options);
            let written = writing.join();
            match (written, applied) {
                (Err(panic), _) => std::panic::resume_unwind(panic),
                // What was written into a pipe that nobody reads is no reason.
                (_, Err(error)) => Err(error.into()),
                (Ok(written), Ok(_)) => written,
            }
        })
    }

    /// Writes them as a layer.
    pub(crate) fn archive(&self, output: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(output);
        for (path, item) in &self.items {
            let header = Header { path: path.clone(), ..item.header.clone() };
            match &item.data {
                Data::None => writer.append_header(&header)?,
                Data::Bytes(bytes) => writer.append_bytes(&header, bytes)?,
                Data::At(found) => {
                    let mut file = found.open(path)?;
                    // Of what may just be changing the bytes themselves are compared.
                    let hashes = self.hashes.as_ref();
                    let is_fresh = hashes.is_some_and(|hashes| !hashes.is_settled(&found.mark));
                    if is_fresh {
                        let mut hashing = Hashing::new(file, Algorithm::Sha256);
                        writer.append(&header, (&mut hashing).take(header.size))?;
                        found.check_digest(path, &hashing.digest())?;
                    } else {
                        // A file that became shorter is filled up, and found out then.
                        let data = (&mut file).chain(io::repeat(0)).take(header.size);
                        writer.append(&header, data)?;
                        found.check(path, &file)?;
                    }
                }
                Data::Held(file, _) => {
                    let data = At { file, offset: 0 }.take(header.size);
                    writer.append(&header, data)?;
                }
            }
        }
        writer.finish()?;
        Ok(())
    }
}

impl Item {
    fn is_directory(&self) -> bool {
        self.header.kind == EntryKind::Directory
    }

    /// What it takes: its own size, and that of all it points to.
    fn bytes(&self) -> usize {
        let xattrs = self.header.xattrs.iter().map(|xattr| xattr.name.len() + xattr.value.len());
        let target = match &self.header.kind {
            EntryKind::Symlink { target } => target.len(),
            _ => 0,
        };
        let data = match &self.data {
            Data::None | Data::Held(..) | Data::At(_) => 0,
            Data::Bytes(bytes) => bytes.len(),
        };
        size_of::<Self>() + xattrs.sum::<usize>() + target + data
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
    fn digest(&self, key: &[u8]) -> Result<Vec<u8>> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Bytes(bytes) => Ok(Sha256::digest(bytes).to_vec()),
            Self::Held(_, digest) => Ok(digest.as_str().into()),
            Self::At(found) => match found.digest.get() {
                Some(digest) => Ok(digest.to_vec()),
                None => found.read(key, &mut vec![0; READ_BYTES]).map(|digest| digest.to_vec()),
            },
        }
    }
}

impl Found {
    /// Its path in its tree, under the key that it has.
    fn path(&self, key: &[u8]) -> Vec<u8> {
        [&self.origin.path, key.get(self.cut..).unwrap_or_default()].concat()
    }

    /// Opens the file, which must still be the one that was looked at.
    fn open(&self, key: &[u8]) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let path = self.path(key);
        let opened = place::open(self.origin.tree.as_fd(), &path, flags);
        let file = File::from(opened.map_err(|error| Error::read(&path, error))?);
        self.check(key, &file)?;
        Ok(file)
    }

    /// Fails when the file has changed since it was looked at.
    fn check(&self, key: &[u8], file: &File) -> Result<()> {
        let stat = fstat(file).map_err(|error| Error::read(&self.path(key), error))?;
        if kind(&stat) == FileType::RegularFile && Mark::of(&stat) == self.mark {
            return Ok(());
        }
        Err(self.changed(key))
    }

    fn check_digest(&self, key: &[u8], digest: &Digest) -> Result<()> {
        match self.digest.get() {
            Some(known) if Digest::sha256(*known) != *digest => Err(self.changed(key)),
            _ => Ok(()),
        }
    }

    fn changed(&self, key: &[u8]) -> Error {
        Error::Changed(String::from_utf8_lossy(&self.path(key)).into_owned())
    }

    /// The digest of its content.
    fn read(&self, key: &[u8], buffer: &mut [u8]) -> Result<[u8; 32]> {
        let mut file = self.open(key)?;
        let mut hasher = Sha256::new();
        loop {
            match file.read(buffer).map_err(|error| Error::read(&self.path(key), error))? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        self.check(key, &file)?;
        Ok(hasher.finalize().into())
    }
}

/// Reads a file from its beginning, wherever others are in it.
struct At<'f> {
    file: &'f File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Without a path.
fn header(entry: EntryKind, stat: &Stat) -> Header {
    let is_file = entry == EntryKind::File;
    let mut header = Header::new(b"", entry, stat.st_mode & 0o7777);
    (header.uid, header.gid) = (stat.st_uid, stat.st_gid);
    header.size = if is_file { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    // Whole seconds: what is finer makes each entry longer, and tells nobody anything.
    header.modified = Timestamp { seconds: stat.st_mtime, nanos: 0 };
    header
}

fn xattrs(found: Visited<'_>) -> Result<Vec<Xattr>> {
    let failed = |error: Errno| Error::read(found.path, error);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = place::open(found.directory, found.name.to_bytes(), flags).map_err(failed)?;
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
