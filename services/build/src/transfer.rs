//! `COPY`, `ADD` and `WORKDIR`: which files come where.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use gantry_archive::{ApplyOptions, Limits, Whiteouts, decompress_any};
use gantry_dockerfile::IgnoreFile;
use gantry_types::Timestamp;
use rustix::fs::FileType;

use crate::elsewhere::Fetched;
use crate::files::{Changes, Files, unreserved};
use crate::place::{self, Place};
use crate::request::Context;
use crate::select::{Found, Tree};
use crate::walk::{join, walk};
use crate::{Error, Result};

/// What a step brings, its variables expanded.
pub(crate) struct Order<'a> {
    /// `COPY` or `ADD`.
    pub(crate) name: &'static str,
    pub(crate) sources: &'a [String],
    /// What came from addresses.
    pub(crate) fetched: Vec<Fetched>,
    /// Whether archives among these are taken apart.
    pub(crate) unpacks_fetched: bool,
    /// Files that stand in the Dockerfile: name and content.
    pub(crate) files: Vec<(String, String)>,
    /// As it is written; relative to the working directory.
    pub(crate) destination: &'a str,
    pub(crate) working_dir: &'a str,
    pub(crate) changes: Changes,
    /// The same for what comes out of archives, which say themselves whose it is.
    pub(crate) unpacked: Changes,
    pub(crate) keeps_parents: bool,
    pub(crate) exclude: IgnoreFile,
    /// Where local archives are taken apart; nowhere with `COPY`.
    pub(crate) unpacks_in: Option<std::path::PathBuf>,
    pub(crate) now: Timestamp,
    /// Fails when the build is not wanted any more.
    pub(crate) check_wanted: &'a dyn Fn() -> Result<()>,
}

/// The files that an order means, above a root.
pub(crate) fn gather(order: Order<'_>, tree: &Tree<'_>, root: &OwnedFd) -> Result<Files> {
    let mut all = Vec::new();
    for source in order.sources {
        all.extend(tree.find(source)?.into_iter().map(|found| (source.as_str(), found)));
    }
    let path = absolute(order.working_dir, order.destination);
    let place = place::resolve(root.as_fd(), path.as_bytes())?;
    unreserved(&place.path)?;
    let says_directory =
        order.destination.ends_with('/') || matches!(order.destination, "." | "..");
    let count = all.len() + order.files.len() + order.fetched.len();
    let takes_several = says_directory || place.is_directory();
    if count > 1 && !takes_several {
        return Err(Error::ManySources(order.name));
    }
    let files = Files::knowing(tree.hashes.clone());
    let mut gathering = Gathering { order, tree, root, files, place, takes_several, unpacked: 0 };
    for (source, found) in all {
        gathering.source(source, &found)?;
    }
    for fetched in std::mem::take(&mut gathering.order.fetched) {
        gathering.fetched(fetched)?;
    }
    for (name, content) in std::mem::take(&mut gathering.order.files) {
        let path = gathering.target(name.as_bytes());
        gathering.parents_of(&path)?;
        let (changes, now) = (gathering.order.changes, gathering.order.now);
        gathering.files.write(&path, content.into_bytes(), changes, now)?;
    }
    Ok(gathering.files)
}

/// All files of a context.
pub(crate) fn all_of(context: &Context, check_wanted: &dyn Fn() -> Result<()>) -> Result<Files> {
    let failed = |error| Error::read(b"/", error);
    let root = Arc::new(context.root.try_clone().map_err(failed)?);
    let tree = Tree {
        root: Arc::clone(&root),
        ignore: Some(&context.ignore),
        hashes: context.hashes.clone(),
        name: String::new(),
    };
    let order = Order {
        name: "FROM",
        sources: &[],
        fetched: Vec::new(),
        unpacks_fetched: false,
        files: Vec::new(),
        destination: "/",
        working_dir: "/",
        changes: Changes { owner: Some((0, 0)), ..Changes::default() },
        unpacked: Changes::default(),
        keeps_parents: false,
        exclude: IgnoreFile::default(),
        unpacks_in: None,
        now: Timestamp { seconds: 0, nanos: 0 },
        check_wanted,
    };
    let mut gathering = Gathering {
        order,
        tree: &tree,
        root: &root,
        files: Files::knowing(context.hashes.clone()),
        place: place::resolve(root.as_fd(), b"")?,
        takes_several: true,
        unpacked: 0,
    };
    gathering.below((&root, b""), Upon::All(b""), tree.ignore, gathering.order.changes)?;
    Ok(gathering.files)
}

/// The directory that `WORKDIR` names, if it has to be made.
pub(crate) fn directory(
    path: &str,
    owner: (u32, u32),
    root: &OwnedFd,
    now: Timestamp,
) -> Result<Files> {
    let place = place::resolve(root.as_fd(), path.as_bytes())?;
    unreserved(&place.path)?;
    let mut files = Files::default();
    if place.stat.is_some() && !place.is_directory() {
        return Err(Error::Obstacle {
            what: "a directory",
            path: path.to_owned(),
            obstacle: "something else",
        });
    }
    if place.stat.is_none() {
        parents(&mut files, root, &place.path, (owner, now))?;
        files.make(&place.path, owner, 0o755, now);
    }
    Ok(files)
}

/// A path in the root: what is relative begins in the working directory.
pub(crate) fn absolute(working_dir: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    format!("{}/{path}", working_dir.trim_end_matches('/'))
}

struct Gathering<'a, 't> {
    order: Order<'a>,
    tree: &'a Tree<'t>,
    root: &'a OwnedFd,
    files: Files,
    place: Place,
    takes_several: bool,
    /// How many archives were taken apart.
    unpacked: usize,
}

impl Gathering<'_, '_> {
    fn source(&mut self, source: &str, found: &Found) -> Result<()> {
        if let (Some(stat), true) = (&found.place.stat, self.tree.ignore.is_some()) {
            place::no_device(&found.path, place::kind(stat))?;
        }
        if self.order.keeps_parents {
            return self.with_parents(source, found);
        }
        if found.place.is_directory() {
            let to = self.place.path.clone();
            return self.directory(&found.place.path, &to);
        }
        if let Some(room) = self.order.unpacks_in.clone()
            && self.unpacked(found, &room)?
        {
            return Ok(());
        }
        let path = self.target(&found.name);
        self.no_directory_at(&path)?;
        self.parents_of(&path)?;
        self.files.bring(&self.tree.root, &found.place.path, &path, self.order.changes)
    }

    /// Where a file of this name comes.
    fn target(&self, name: &[u8]) -> Vec<u8> {
        if self.takes_several { join(&self.place.path, name) } else { self.place.path.clone() }
    }

    /// What is in a directory, under another path.
    fn directory(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        let place = place::resolve(self.root.as_fd(), to)?;
        if place.stat.is_some() && !place.is_directory() {
            return Err(Error::obstacle(to, true));
        }
        if place.stat.is_none() && !to.is_empty() && !self.files.has(to) {
            self.parents_of(to)?;
            let owner = self.order.changes.owner.unwrap_or_default();
            self.files.make(to, owner, self.order.changes.mode.unwrap_or(0o755), self.order.now);
        } else if let Some(stat) = &place.stat {
            self.parents_of(to)?;
            if !to.is_empty() {
                self.files.mention(to, stat);
            }
        }
        let (tree, ignore) = (Arc::clone(&self.tree.root), self.tree.ignore);
        self.below((&tree, from), Upon::Same(to), ignore, self.order.changes)
    }

    /// All that lies below a directory of a tree.
    fn below(
        &mut self,
        (tree, from): (&Arc<OwnedFd>, &[u8]),
        upon: Upon<'_>,
        ignore: Option<&IgnoreFile>,
        changes: Changes,
    ) -> Result<()> {
        let (files, exclude) = (&mut self.files, &self.order.exclude);
        let mut ground = Ground::of(self.root.as_fd(), upon)?;
        let to = upon.path();
        let check_wanted = self.order.check_wanted;
        // What lies in it has all its directories.
        let mut parent: Option<Vec<u8>> = None;
        walk(tree.as_fd(), from, &mut |visited| {
            let (path, kind) = (visited.path, visited.kind());
            check_wanted()?;
            let inner = inner(from, path);
            let (name, inner_name) =
                (String::from_utf8_lossy(path), String::from_utf8_lossy(inner));
            let is_out = ignore.is_some_and(|ignore| ignore.excludes(&name))
                || exclude.excludes(&inner_name);
            if is_out {
                let may_come_back = ignore.is_some_and(|ignore| ignore.may_take_back_below(&name))
                    || exclude.may_take_back_below(&inner_name);
                return Ok(kind == FileType::Directory && may_come_back);
            }
            if ignore.is_some() {
                place::no_device(path, kind)?;
            }
            // Directories that are left out themselves, where something in them is not.
            let its_parent =
                inner.iter().rposition(|byte| *byte == b'/').map(|index| &inner[..index]);
            if its_parent != parent.as_deref() {
                for (index, _) in inner.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                    let above = &inner[..index];
                    if !files.has(&join(to, above)) {
                        ground.check(&join(to, above), true)?;
                        files.bring(tree, &join(from, above), &join(to, above), changes)?;
                    }
                }
                parent = its_parent.map(<[u8]>::to_vec);
            }
            let path = join(to, inner);
            ground.check(&path, kind == FileType::Directory)?;
            files.bring_visited(tree, visited, &path, changes)?;
            Ok(true)
        })
    }

    /// `--parents`: with the directories above it, from the source's beginning or from `/./` on.
    fn with_parents(&mut self, source: &str, found: &Found) -> Result<()> {
        let dropped = source
            .split_once("/./")
            .map_or(0, |(before, _)| place::names(before.as_bytes()).count());
        let names: Vec<&[u8]> = place::names(&found.path).skip(dropped).collect();
        let base = self.place.path.clone();
        let to = join(&base, &names.join(&b'/'));
        if found.place.is_directory() {
            return self.directory(&found.place.path, &to);
        }
        self.no_directory_at(&to)?;
        self.parents_of(&to)?;
        self.files.bring(&self.tree.root, &found.place.path, &to, self.order.changes)
    }

    /// Brings what came from an address. Without other words a file is its owner's alone, as nobody said whose it is.
    fn fetched(&mut self, fetched: Fetched) -> Result<()> {
        let (download, name) = match fetched {
            Fetched::Tree(root) => {
                let to = self.place.path.clone();
                self.top_of(&to)?;
                return self.below((&root, b""), Upon::Same(&to), None, self.order.changes);
            }
            Fetched::File(download, name) => (download, name),
        };
        if let Some(room) = self.order.unpacks_in.clone().filter(|_| self.order.unpacks_fetched) {
            let label = name.clone().unwrap_or_default();
            let file = download.file.try_clone().map_err(|error| Error::read(b"", error))?;
            if gantry_archive::is_archive(&file)? {
                return self.take_apart(file, label.as_bytes(), &room);
            }
        }
        let path = match name {
            Some(name) => self.target(name.as_bytes()),
            None if self.takes_several => {
                let reason = "its address ends with no name: name the file in the destination";
                return Err(Error::invalid("destination", self.order.destination, reason));
            }
            None => self.place.path.clone(),
        };
        self.no_directory_at(&path)?;
        self.parents_of(&path)?;
        let mode = self.order.changes.mode.or(Some(0o600));
        let changes = Changes { mode, ..self.order.changes };
        self.files.bring_download(&path, download, changes, self.order.now)
    }

    fn no_directory_at(&self, path: &[u8]) -> Result<()> {
        if place::resolve(self.root.as_fd(), path)?.is_directory() {
            return Err(Error::obstacle(path, false));
        }
        Ok(())
    }

    /// Takes an archive apart; tells whether it was one.
    fn unpacked(&mut self, found: &Found, room: &std::path::Path) -> Result<bool> {
        let opened = place::open_ordinary(self.tree.root.as_fd(), &found.place.path)?;
        let Some(file) = opened else { return Ok(false) };
        if !gantry_archive::is_archive(&file)? {
            return Ok(false);
        }
        self.take_apart(file, &found.path, room)?;
        Ok(true)
    }

    fn take_apart(
        &mut self,
        file: std::fs::File,
        name: &[u8],
        room: &std::path::Path,
    ) -> Result<()> {
        let limits = Limits::default();
        let mut plain = decompress_any(file, &limits)?;
        self.unpacked += 1;
        let directory = room.join(self.unpacked.to_string());
        let failed = |error| Error::read(name, error);
        std::fs::create_dir_all(&directory).map_err(failed)?;
        let inner = std::fs::File::open(&directory).map_err(failed)?;
        let options = ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() };
        gantry_archive::apply(&mut plain, inner.as_fd(), &options)?;
        let to = self.place.path.clone();
        let tree = Arc::new(OwnedFd::from(inner));
        self.top_of(&to)?;
        // What an archive says of owners counts, unless the step says otherwise.
        self.below((&tree, b""), Upon::All(&to), None, self.order.unpacked)
    }

    /// The directory that a whole tree comes into.
    fn top_of(&mut self, to: &[u8]) -> Result<()> {
        let place = place::resolve(self.root.as_fd(), to)?;
        if place.stat.is_some() {
            return self.parents_of(&join(to, b"x"));
        }
        self.parents_of(to)?;
        if !to.is_empty() {
            self.files.make(to, (0, 0), 0o755, self.order.now);
        }
        Ok(())
    }

    /// The directories above a path: those that are there as they are, others new.
    fn parents_of(&mut self, path: &[u8]) -> Result<()> {
        let owner = self.order.changes.owner.unwrap_or_default();
        parents(&mut self.files, self.root, path, (owner, self.order.now))
    }
}

/// What a tree comes upon in the root.
#[derive(Clone, Copy)]
enum Upon<'p> {
    /// Only directories upon directories: a link to a directory, which others rely on, is not replaced by what has its name.
    Same(&'p [u8]),
    /// All is replaced, as archives are unpacked.
    All(&'p [u8]),
}

impl<'p> Upon<'p> {
    fn path(self) -> &'p [u8] {
        match self {
            Self::Same(path) | Self::All(path) => path,
        }
    }
}

/// The directories that a root has where a tree comes to lie: only what lies in one of them can be in the way.
struct Ground<'r> {
    root: BorrowedFd<'r>,
    known: HashSet<Vec<u8>>,
}

impl<'r> Ground<'r> {
    fn of(root: BorrowedFd<'r>, upon: Upon<'_>) -> Result<Self> {
        let mut known = HashSet::new();
        if let Upon::Same(path) = upon
            && place::resolve(root, path)?.is_directory()
        {
            known.insert(path.to_vec());
        }
        Ok(Self { root, known })
    }

    /// Fails where a directory would come upon something else, or something else upon a directory. Directories are asked for before
    /// what is in them.
    fn check(&mut self, path: &[u8], is_directory: bool) -> Result<()> {
        let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        if !self.known.contains(&path[..end]) {
            return Ok(());
        }
        let Some(stat) = place::look(self.root, path)? else { return Ok(()) };
        let is_there = place::kind(&stat) == FileType::Directory;
        if is_there != is_directory {
            return Err(Error::obstacle(path, is_directory));
        }
        if is_there {
            self.known.insert(path.to_vec());
        }
        Ok(())
    }
}

fn parents(
    files: &mut Files,
    root: &OwnedFd,
    path: &[u8],
    (owner, now): ((u32, u32), Timestamp),
) -> Result<()> {
    for (index, byte) in path.iter().enumerate() {
        let parent = &path[..index];
        if *byte != b'/' || files.has(parent) {
            continue;
        }
        match place::look(root.as_fd(), parent)? {
            Some(stat) if place::kind(&stat) == FileType::Directory => files.mention(parent, &stat),
            Some(_) => {
                let path = String::from_utf8_lossy(parent).into_owned();
                return Err(Error::Obstacle { what: "into", path, obstacle: "a file" });
            }
            None => files.make(parent, owner, 0o755, now),
        }
    }
    Ok(())
}

/// What a path is called in a directory above it.
fn inner<'p>(directory: &[u8], path: &'p [u8]) -> &'p [u8] {
    let inner = path.strip_prefix(directory).unwrap_or(path);
    inner.strip_prefix(b"/").unwrap_or(inner)
}
