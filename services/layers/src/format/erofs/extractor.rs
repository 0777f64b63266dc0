//! What the entries of a layer's archive become in an image. The rules are those that
//! `gantry_archive::apply` has for directories: the last entry of a path wins, whiteouts hide lower
//! layers only, links and directories that the layer does not explain are left for the end.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read};

use gantry_archive::{
    EntryKind, EntryPath, Error, Header, Limits, Meaning, OPAQUE, Result, meaning,
};
use gantry_erofs::{Attribute, DirId, Entry, Kind, Metadata, Nid, ROOT, Tree, Uuid, Writer};

use crate::format::Extracted;

/// Bytes copied at once.
pub(super) const COPY_BYTES: usize = 256 << 10;
/// What a link that waits for its target costs beyond its two paths, roughly.
const LINK_BYTES: usize = 256;

/// A layer on its way into an image.
pub(super) struct Extractor {
    pub(super) writer: Writer,
    pub(super) tree: Tree,
    /// The one inode of all whiteouts.
    pub(super) whiteout: Option<Nid>,
    /// Directories that no entry has declared.
    pub(super) implied: HashSet<DirId>,
    /// Directories that hide those of lower layers.
    pub(super) opaque: HashSet<DirId>,
    /// Hard links to what this layer does not have: by path, each with its turn and target.
    pub(super) links: BTreeMap<Vec<u8>, (u64, EntryPath)>,
    links_bytes: usize,
    turn: u64,
    /// The directory of the last entry: archives go through directories one after the other.
    pub(super) current: Option<(Vec<u8>, DirId)>,
    pub(super) buffer: Vec<u8>,
    pub(super) limits: Limits,
    /// Bytes of lower layers' files that were copied.
    pub(super) copied_bytes: u64,
    size_bytes: u64,
    root_given: bool,
    pub(super) root_opaque: bool,
}

impl Extractor {
    pub(super) fn new(image: File, uuid: Uuid, limits: &Limits) -> Self {
        Self {
            writer: Writer::new(image, uuid),
            tree: Tree::new(meta(0o755), limits.remembered_bytes),
            whiteout: None,
            implied: HashSet::new(),
            opaque: HashSet::new(),
            links: BTreeMap::new(),
            links_bytes: 0,
            turn: 0,
            current: None,
            buffer: vec![0; COPY_BYTES],
            limits: limits.clone(),
            copied_bytes: 0,
            size_bytes: 0,
            root_given: false,
            root_opaque: false,
        }
    }

    pub(super) fn entry<R: Read>(&mut self, entry: gantry_archive::Entry<'_, R>) -> Result<()> {
        self.take(entry)?;
        let bytes = self.tree.bytes() + self.links_bytes + self.writer.linked_bytes();
        if bytes > self.limits.remembered_bytes {
            let limit = self.limits.remembered_bytes as u64;
            return Err(Error::Limit { limit, what: "bytes of names, attributes and links" });
        }
        Ok(())
    }

    fn take<R: Read>(&mut self, mut entry: gantry_archive::Entry<'_, R>) -> Result<()> {
        let header = entry.take_header();
        let path = EntryPath::checked(&header.path, &self.limits)?;
        match meaning(&path)? {
            Meaning::Ordinary => {}
            Meaning::Nothing => return Ok(()),
            Meaning::Opaque => return self.make_opaque(path.parent()),
            Meaning::Hides(name) => return self.hide(&path.sibling(&name)),
        }
        if path.is_root() {
            return self.root(&header);
        }
        match &header.kind {
            EntryKind::File => self.file(&path, &header, &mut entry),
            EntryKind::Directory => self.directory(&path, &header),
            EntryKind::Symlink { target } => self.symlink(&path, &header, target),
            EntryKind::HardLink { target } => self.hard_link(&path, &header, target),
            EntryKind::CharDevice { major, minor } => {
                self.node(&path, &header, (Kind::CharDevice, *major, *minor))
            }
            EntryKind::BlockDevice { major, minor } => {
                self.node(&path, &header, (Kind::BlockDevice, *major, *minor))
            }
            EntryKind::Fifo => self.node(&path, &header, (Kind::Fifo, 0, 0)),
        }
    }

    fn root(&mut self, header: &Header) -> Result<()> {
        if header.kind != EntryKind::Directory {
            return Err(entry_error(&header.path, "would replace the root, but is no directory"));
        }
        self.describe(ROOT, header)?;
        self.root_given = true;
        Ok(())
    }

    /// Gives a directory the looks of its entry; attributes that it has stay.
    pub(super) fn describe(&mut self, id: DirId, header: &Header) -> Result<()> {
        self.tree.describe(id, metadata(header)).map_err(refuse(&header.path))
    }

    fn file<R: Read>(
        &mut self,
        path: &EntryPath,
        header: &Header,
        entry: &mut gantry_archive::Entry<'_, R>,
    ) -> Result<()> {
        let dir = self.make_way(path)?;
        let refused = |error| refuse(path.as_bytes())(error);
        let mut file = self.writer.file(header.size, &metadata(header)).map_err(refused)?;
        entry.extents(|offset, bytes| file.write(offset, bytes).map_err(refused))?;
        let nid = file.finish().map_err(refused)?;
        self.size_bytes = self.size_bytes.saturating_add(header.size);
        self.put(dir, path, Entry::Inode { nid, kind: Kind::File })
    }

    fn directory(&mut self, path: &EntryPath, header: &Header) -> Result<()> {
        let dir = self.parent(path)?;
        let id = if let Some(Entry::Directory(id)) = self.tree.directory(dir).get(path.name()) {
            *id
        } else {
            let hides = self.clear(dir, path);
            let looks = if hides { opaque(0o700) } else { meta(0o700) };
            let made = self.tree.make(dir, path.name(), looks);
            let made = made.map_err(refuse(path.as_bytes()))?;
            if hides {
                self.opaque.insert(made);
            }
            made
        };
        self.describe(id, header)?;
        self.implied.remove(&id);
        self.current = Some((path.as_bytes().to_vec(), id));
        Ok(())
    }

    fn symlink(&mut self, path: &EntryPath, header: &Header, target: &[u8]) -> Result<()> {
        if target.is_empty() {
            return Err(entry_error(&header.path, "is a symbolic link to nothing"));
        }
        let dir = self.make_way(path)?;
        let nid = self.writer.symlink(target, &without_attributes(header));
        let nid = nid.map_err(refuse(path.as_bytes()))?;
        self.put(dir, path, Entry::Symlink { nid, target: target.into() })
    }

    fn node(
        &mut self,
        path: &EntryPath,
        header: &Header,
        (kind, major, minor): (Kind, u32, u32),
    ) -> Result<()> {
        let dir = self.make_way(path)?;
        let nid = self.writer.node(kind, (major, minor), &without_attributes(header));
        let nid = nid.map_err(refuse(path.as_bytes()))?;
        self.put(dir, path, Entry::Inode { nid, kind })
    }

    fn hard_link(&mut self, path: &EntryPath, header: &Header, target: &[u8]) -> Result<()> {
        let target = EntryPath::checked(target, &self.limits)
            .map_err(|_| entry_error(&header.path, "is a hard link out of the archive"))?;
        if target.is_root() {
            return Err(entry_error(&header.path, "is a hard link to the root"));
        }
        let Some((_, found)) = self.existing(&target) else { return self.link_later(path, target) };
        let (nid, kind) = match &found {
            Entry::Directory(_) => {
                return Err(entry_error(&header.path, "is a hard link to a directory"));
            }
            Entry::Inode { nid, .. } if self.whiteout == Some(*nid) => {
                return self.link_later(path, target);
            }
            Entry::Inode { nid, kind } => (*nid, *kind),
            Entry::Symlink { nid, .. } => (*nid, Kind::Symlink),
        };
        let dir = self.parent(path)?;
        if self.tree.directory(dir).get(path.name()) == Some(&found) {
            return Ok(());
        }
        self.clear(dir, path);
        // It may have lain below what was in the way.
        if self.existing(&target).is_none() {
            return self.link_later(path, target);
        }
        // A link's header speaks about the file it names, as Docker reads it.
        self.writer.link(nid, Some((kind, without_attributes(header))));
        self.put(dir, path, found)
    }

    /// The target may be a lower layer's: that is known in the end.
    fn link_later(&mut self, path: &EntryPath, target: EntryPath) -> Result<()> {
        if *path == target {
            return Err(entry_error(path.as_bytes(), "is a hard link to itself"));
        }
        self.make_way(path)?;
        self.links_bytes += link_bytes(path.as_bytes(), &target);
        self.turn += 1;
        self.links.insert(path.as_bytes().to_vec(), (self.turn, target));
        Ok(())
    }

    /// Hides what lower layers have in a directory.
    fn make_opaque(&mut self, path: &[u8]) -> Result<()> {
        if path.is_empty() {
            self.root_opaque = true;
            return Ok(());
        }
        let id = self.directory_at(path)?;
        let known = self.tree.directory(id).metadata();
        let (mode, uid, gid, modified) = (known.mode, known.uid, known.gid, known.modified);
        let looks = Metadata { mode, uid, gid, modified, ..opaque(0) };
        self.tree.describe(id, looks).map_err(refuse(path))?;
        self.opaque.insert(id);
        Ok(())
    }

    /// Hides one name of lower layers.
    fn hide(&mut self, path: &EntryPath) -> Result<()> {
        if self.links.contains_key(path.as_bytes()) {
            return Ok(());
        }
        let dir = self.parent(path)?;
        match self.tree.directory(dir).get(path.name()) {
            // This layer has something of that name. A file hides what is below anyway, a directory
            // would be merged with it.
            Some(Entry::Directory(id)) => {
                // It looks like nothing below.
                let id = *id;
                self.implied.remove(&id);
                self.make_opaque(path.as_bytes())
            }
            Some(_) => Ok(()),
            None => {
                let nid = self.whiteout_inode(path)?;
                self.put(dir, path, Entry::Inode { nid, kind: Kind::CharDevice })
            }
        }
    }

    fn whiteout_inode(&mut self, path: &EntryPath) -> Result<Nid> {
        if let Some(nid) = self.whiteout {
            return Ok(nid);
        }
        let nid = self.writer.node(Kind::CharDevice, (0, 0), &meta(0));
        let nid = nid.map_err(refuse(path.as_bytes()))?;
        self.writer.link(nid, None);
        self.whiteout = Some(nid);
        Ok(nid)
    }

    /// Finds the directory for an entry, and removes what an earlier one left at its path.
    pub(super) fn make_way(&mut self, path: &EntryPath) -> Result<DirId> {
        let dir = self.parent(path)?;
        self.clear(dir, path);
        Ok(dir)
    }

    /// Whether what was there was a whiteout.
    fn clear(&mut self, dir: DirId, path: &EntryPath) -> bool {
        if !self.links.is_empty() {
            self.forget_links(path.as_bytes());
        }
        match self.tree.remove(dir, path.name()) {
            Some(Entry::Inode { nid, .. }) => self.whiteout == Some(nid),
            Some(Entry::Directory(_) | Entry::Symlink { .. }) => {
                // The directory at hand may have been below, or behind the link.
                self.current = None;
                false
            }
            None => false,
        }
    }

    /// What waits for its target at a path, or below, has lost it to what comes there.
    fn forget_links(&mut self, path: &[u8]) {
        self.forget_link(path);
        let bound = |byte| [path, &[byte]].concat();
        let below = self.links.range(bound(b'/')..bound(b'/' + 1));
        let below: Vec<Vec<u8>> = below.map(|(path, _)| path.clone()).collect();
        for path in below {
            self.forget_link(&path);
        }
    }

    pub(super) fn forget_link(&mut self, path: &[u8]) {
        if let Some((_, target)) = self.links.remove(path) {
            self.links_bytes = self.links_bytes.saturating_sub(link_bytes(path, &target));
        }
    }

    pub(super) fn put(&mut self, dir: DirId, path: &EntryPath, entry: Entry) -> Result<()> {
        self.tree.insert(dir, path.name(), entry).map_err(refuse(path.as_bytes()))
    }

    /// What cannot be finished, for that many things depend on layers that are not known.
    pub(super) fn unfinished(&self, fixups: u64) -> Extracted {
        Extracted {
            size_bytes: self.size_bytes,
            fixups,
            root_given: self.root_given,
            root_opaque: self.root_opaque,
        }
    }

    /// Writes the names.
    pub(super) fn finish(self) -> Result<Extracted> {
        let extracted = self.unfinished(0);
        self.writer.finish(&self.tree).map_err(refuse(b"."))?;
        Ok(extracted)
    }
}

/// What an archive's header says, without what no archive may say.
pub(super) fn metadata(header: &Header) -> Metadata {
    let carried = header.xattrs.iter().filter(|xattr| gantry_archive::carries(&xattr.name));
    let mut metadata = without_attributes(header);
    metadata.set_attributes(
        carried.map(|xattr| Attribute { name: xattr.name.clone(), value: xattr.value.clone() }),
    );
    metadata
}

pub(super) fn without_attributes(header: &Header) -> Metadata {
    Metadata {
        mode: header.mode,
        uid: header.uid,
        gid: header.gid,
        modified: header.modified,
        attributes: Vec::new(),
    }
}

/// What is made now, by nobody's word.
pub(super) fn meta(mode: u32) -> Metadata {
    let modified = gantry_sys::clock::now();
    Metadata { mode, uid: 0, gid: 0, modified, attributes: Vec::new() }
}

/// The same, for a directory that hides those of lower layers.
pub(super) fn opaque(mode: u32) -> Metadata {
    let mark = Attribute { name: OPAQUE.into(), value: b"y".into() };
    Metadata { attributes: vec![mark], ..meta(mode) }
}

fn link_bytes(path: &[u8], target: &EntryPath) -> usize {
    path.len() + target.as_bytes().len() + LINK_BYTES
}

pub(super) fn entry_error(path: &[u8], fault: &'static str) -> Error {
    /// As in the archive's own messages: a line or two.
    const LONGEST: usize = 256;
    let shown = &path[..path.len().min(LONGEST)];
    Error::Entry { path: String::from_utf8_lossy(shown).into_owned(), fault }
}

/// An image's error, as one of the archive's entry that it came with.
pub(super) fn refuse(path: &[u8]) -> impl FnOnce(gantry_erofs::Error) -> Error {
    move |error| match error {
        gantry_erofs::Error::Unfit { fault } => entry_error(path, fault),
        gantry_erofs::Error::Limit { limit, what } => Error::Limit { limit, what },
        gantry_erofs::Error::Image { action, source } => {
            let path = String::from_utf8_lossy(path).into_owned();
            Error::Place { action, path, source }
        }
        other => Error::Write { source: io::Error::other(other) },
    }
}
