//! `COPY`, `ADD` and `WORKDIR`: which files come where.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use gantry_archive::{ApplyOptions, Compression, Limits, Whiteouts, decompress};
use gantry_dockerfile::IgnoreFile;
use gantry_types::Timestamp;
use rustix::fs::FileType;

use crate::files::{Changes, Files, join, unreserved, walk};
use crate::place::{self, Place};
use crate::select::{Found, Tree};
use crate::{Error, Result};

/// What a step brings, its variables expanded.
pub(crate) struct Order<'a> {
    /// `COPY` or `ADD`.
    pub(crate) name: &'static str,
    pub(crate) sources: &'a [String],
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
    let count = all.len() + order.files.len();
    let takes_several = says_directory || place.is_directory();
    if count > 1 && !takes_several {
        return Err(Error::ManySources(order.name));
    }
    let mut gathering =
        Gathering { order, tree, root, files: Files::default(), place, takes_several, unpacked: 0 };
    for (source, found) in all {
        gathering.source(source, &found)?;
    }
    for (name, content) in std::mem::take(&mut gathering.order.files) {
        let path = gathering.target(name.as_bytes());
        gathering.parents_of(&path)?;
        let (changes, now) = (gathering.order.changes, gathering.order.now);
        gathering.files.write(&path, content.into_bytes(), changes, now)?;
    }
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
    format!("{}/{path}", if working_dir.is_empty() { "/" } else { working_dir })
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
        if place::resolve(self.root.as_fd(), &path)?.is_directory() {
            let path = String::from_utf8_lossy(&path).into_owned();
            return Err(Error::Obstacle { what: "a file", path, obstacle: "a directory" });
        }
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
            let path = String::from_utf8_lossy(to).into_owned();
            return Err(Error::Obstacle { what: "a directory", path, obstacle: "a file" });
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
        self.below((&tree, from), to, ignore, self.order.changes)
    }

    /// All that lies below a directory of a tree.
    fn below(
        &mut self,
        (tree, from): (&Arc<OwnedFd>, &[u8]),
        to: &[u8],
        ignore: Option<&IgnoreFile>,
        changes: Changes,
    ) -> Result<()> {
        let (files, exclude) = (&mut self.files, &self.order.exclude);
        let check_wanted = self.order.check_wanted;
        // What lies in it has all its directories.
        let mut parent: Option<Vec<u8>> = None;
        walk(tree, from, &mut |path, kind| {
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
                        files.bring(tree, &join(from, above), &join(to, above), changes)?;
                    }
                }
                parent = its_parent.map(<[u8]>::to_vec);
            }
            files.bring(tree, path, &join(to, inner), changes)?;
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
        self.parents_of(&to)?;
        self.files.bring(&self.tree.root, &found.place.path, &to, self.order.changes)
    }

    /// Takes an archive apart; tells whether it was one.
    fn unpacked(&mut self, found: &Found, room: &std::path::Path) -> Result<bool> {
        let opened = place::open_ordinary(self.tree.root.as_fd(), &found.place.path)?;
        let Some(file) = opened else { return Ok(false) };
        if !is_archive(&file, &found.path)? {
            return Ok(false);
        }
        let limits = Limits::default();
        let mut plain = decompress(file, &limits)?;
        self.unpacked += 1;
        let directory = room.join(self.unpacked.to_string());
        let failed = |error| Error::read(&found.path, error);
        std::fs::create_dir_all(&directory).map_err(failed)?;
        let inner = std::fs::File::open(&directory).map_err(failed)?;
        let options = ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() };
        gantry_archive::apply(&mut plain, inner.as_fd(), &options)?;
        let to = self.place.path.clone();
        let tree = Arc::new(OwnedFd::from(inner));
        if place::resolve(self.root.as_fd(), &to)?.stat.is_none() {
            self.parents_of(&to)?;
            if !to.is_empty() {
                self.files.make(&to, (0, 0), 0o755, self.order.now);
            }
        } else {
            self.parents_of(&join(&to, b"x"))?;
        }
        // What an archive says of owners counts, unless the step says otherwise.
        self.below((&tree, b""), &to, None, self.order.unpacked)?;
        Ok(true)
    }

    /// The directories above a path: those that are there as they are, others new.
    fn parents_of(&mut self, path: &[u8]) -> Result<()> {
        let owner = self.order.changes.owner.unwrap_or_default();
        parents(&mut self.files, self.root, path, (owner, self.order.now))
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

/// Whether a file is an archive, plain or compressed; only its beginning is looked at.
fn is_archive(file: &std::fs::File, path: &[u8]) -> Result<bool> {
    use std::io::Read;
    use std::os::unix::fs::FileExt;
    let failed = |error| Error::read(path, error);
    let mut start = [0; 512];
    let length = file.read_at(&mut start, 0).map_err(failed)?;
    match Compression::of(&start[..length]) {
        Ok(Compression::Plain) => return Ok(length == 512 && &start[257..262] == b"ustar"),
        Ok(_) => {}
        // What only bears the mark of one of these would be copied in silence, and Docker takes it apart.
        Err(gantry_archive::Error::Compression { name: name @ ("xz" | "bzip2") }) => {
            let path = String::from_utf8_lossy(path);
            return Err(Error::NotThereYet(format!(
                "ADD of {path:?}, which is compressed with {name}, (COPY brings it as it is, and gzip or zstd is taken apart)"
            )));
        }
        Err(_) => return Ok(false),
    }
    // What is compressed may be anything: what is in it tells.
    let limits = Limits::default();
    let file_again = file.try_clone().map_err(failed)?;
    let Ok(mut plain) = decompress(file_again, &limits) else { return Ok(false) };
    let mut inner = Vec::new();
    let read = (&mut plain).take(512).read_to_end(&mut inner);
    drop(plain);
    std::io::Seek::rewind(&mut { file }).map_err(failed)?;
    Ok(read.is_ok() && inner.len() == 512 && &inner[257..262] == b"ustar")
}
