//! The names of an image: directories in memory, with a limit. What lies behind a name is on the disk
//! already, but for directories.

use std::collections::BTreeMap;

use crate::inode::encoded_len;
use crate::{Error, Kind, Metadata, Nid, Result};

/// A directory of a tree, for as long as it is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DirId(usize);

/// The root directory.
pub const ROOT: DirId = DirId(0);

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory of this tree.
    Directory(DirId),
    /// Anything else, by its inode.
    Inode {
        /// Where it is.
        nid: Nid,
        /// What it is.
        kind: Kind,
    },
    /// A symbolic link, with its text for those who follow it.
    Symlink {
        /// Where it is.
        nid: Nid,
        /// Its text.
        target: Box<[u8]>,
    },
}

/// A directory.
#[derive(Debug)]
pub struct Directory {
    pub(crate) metadata: Metadata,
    parent: DirId,
    name: Box<[u8]>,
    entries: BTreeMap<Box<[u8]>, Entry>,
}

impl Directory {
    /// The directory that it lies in; the root lies in itself.
    pub fn parent(&self) -> DirId {
        self.parent
    }

    /// Its inode's metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What a name stands for.
    pub fn get(&self, name: &[u8]) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// All names, in the order of their bytes.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.entries.iter().map(|(name, entry)| (&**name, entry))
    }
}

/// All names of an image.
#[derive(Debug)]
pub struct Tree {
    directories: Vec<Option<Directory>>,
    bytes: usize,
    limit_bytes: usize,
}

/// What a name costs beyond its bytes, roughly.
const ENTRY_BYTES: usize = 64;
/// What a directory costs besides.
const DIRECTORY_BYTES: usize = 192;
/// What an extended attribute costs beyond its bytes.
const ATTRIBUTE_BYTES: usize = 64;
/// Bytes in a name, as everywhere in Linux.
const LONGEST_NAME: usize = 255;

impl Tree {
    /// An empty root. All names and what belongs to them may take up so much memory, roughly.
    pub fn new(metadata: Metadata, limit_bytes: usize) -> Self {
        let bytes = attributes_bytes(&metadata);
        let entries = BTreeMap::new();
        let root = Directory { metadata, parent: ROOT, name: Box::default(), entries };
        Self { directories: vec![Some(root)], bytes, limit_bytes }
    }

    /// Bytes of memory that the tree takes up, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A directory that is in the tree; the root in place of one that is not.
    pub fn directory(&self, id: DirId) -> &Directory {
        let found = self.directories.get(id.0).and_then(Option::as_ref);
        match found.or(self.directories[0].as_ref()) {
            Some(directory) => directory,
            // It is made with the tree, and never removed.
            None => unreachable!("a tree without a root"),
        }
    }

    fn directory_mut(&mut self, id: DirId) -> &mut Directory {
        let is_there = self.directories.get(id.0).is_some_and(Option::is_some);
        match &mut self.directories[if is_there { id.0 } else { 0 }] {
            Some(directory) => directory,
            None => unreachable!("a tree without a root"),
        }
    }

    /// Gives a directory other metadata; attributes that it has under other names stay.
    ///
    /// # Errors
    /// The attributes are more than an inode can hold, or take up too much memory.
    pub fn describe(&mut self, id: DirId, metadata: Metadata) -> Result<()> {
        let known = &mut self.directory_mut(id).metadata;
        let before = attributes_bytes(known);
        let Metadata { mode, uid, gid, modified, attributes } = metadata;
        (known.mode, known.uid, known.gid, known.modified) = (mode, uid, gid, modified);
        known.set_attributes(attributes);
        let fits = encoded_len(&known.attributes);
        let after = attributes_bytes(known);
        self.bytes = self.bytes.saturating_sub(before);
        self.count(after)?;
        fits.map(drop)
    }

    /// The path of a directory from the root, without a leading slash; `None` when it is longer than
    /// `longest` bytes.
    pub fn path_of(&self, id: DirId, longest: usize) -> Option<Vec<u8>> {
        let mut names = Vec::new();
        let mut length = 0;
        let mut at = id;
        while at != ROOT {
            let directory = self.directory(at);
            length += directory.name.len() + 1;
            if length > longest.saturating_add(1) {
                return None;
            }
            names.push(&*directory.name);
            at = directory.parent;
        }
        names.reverse();
        Some(names.join(&b'/'))
    }

    /// Makes a directory under a name that must be free.
    pub fn make(&mut self, parent: DirId, name: &[u8], metadata: Metadata) -> Result<DirId> {
        encoded_len(&metadata.attributes)?;
        self.count(DIRECTORY_BYTES + name.len() + attributes_bytes(&metadata))?;
        let id = DirId(self.directories.len());
        self.insert(parent, name, Entry::Directory(id))?;
        let (name, entries) = (name.into(), BTreeMap::new());
        self.directories.push(Some(Directory { metadata, parent, name, entries }));
        Ok(id)
    }

    /// Puts an entry under a name that must be free, and must be a name.
    pub fn insert(&mut self, parent: DirId, name: &[u8], entry: Entry) -> Result<()> {
        if name.len() > LONGEST_NAME {
            return Err(Error::Unfit { fault: "has a name of more than 255 bytes" });
        }
        if matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0)) {
            return Err(Error::Unfit {
                fault: "has an empty name, or one that means another directory",
            });
        }
        let target = if let Entry::Symlink { target, .. } = &entry { target.len() } else { 0 };
        self.count(name.len() + target + ENTRY_BYTES)?;
        let before = self.directory_mut(parent).entries.insert(name.into(), entry);
        debug_assert!(before.is_none(), "a name was taken");
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        self.bytes += bytes;
        if self.bytes > self.limit_bytes {
            let limit = self.limit_bytes as u64;
            return Err(Error::Limit { limit, what: "bytes of names" });
        }
        Ok(())
    }

    /// Frees a name; what it stood for goes, with all below.
    pub fn remove(&mut self, parent: DirId, name: &[u8]) -> Option<Entry> {
        let entry = self.directory_mut(parent).entries.remove(name)?;
        self.bytes = self.bytes.saturating_sub(name.len() + ENTRY_BYTES);
        let mut going = Vec::new();
        if let Entry::Directory(id) = &entry {
            going.push(*id);
        }
        while let Some(id) = going.pop() {
            let Some(directory) = self.directories.get_mut(id.0).and_then(Option::take) else {
                continue;
            };
            // Its own place stays taken: numbers are not used again.
            let own = directory.name.len() + attributes_bytes(&directory.metadata);
            self.bytes = self.bytes.saturating_sub(own);
            for (name, entry) in directory.entries {
                self.bytes = self.bytes.saturating_sub(name.len() + ENTRY_BYTES);
                if let Entry::Directory(id) = entry {
                    going.push(id);
                }
            }
        }
        Some(entry)
    }

    /// The directories in an order in which each comes after its parent.
    pub(crate) fn top_down(&self) -> Vec<DirId> {
        let mut order = Vec::new();
        let mut going = vec![ROOT];
        while let Some(id) = going.pop() {
            order.push(id);
            for (_, entry) in self.directory(id).entries() {
                if let Entry::Directory(id) = entry {
                    going.push(*id);
                }
            }
        }
        order
    }

    /// One more than the highest number of a directory.
    pub(crate) fn numbers(&self) -> usize {
        self.directories.len()
    }
}

/// What the attributes of an inode cost, roughly.
fn attributes_bytes(metadata: &Metadata) -> usize {
    let one = |item: &crate::Attribute| item.name.len() + item.value.len() + ATTRIBUTE_BYTES;
    metadata.attributes.iter().map(one).sum()
}

impl DirId {
    pub(crate) fn number(self) -> usize {
        self.0
    }
}
