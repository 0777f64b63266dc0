//! Writing an image from its first file to its superblock.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::checksum::crc32c;
use crate::directory::{self, Name};
use crate::inode::{
    self, BLOCK, BLOCK_LEN, Content, INODE, Layout, blocks_of, encode_attributes, layout_of,
};
use crate::output::Output;
use crate::{DirId, Entry, Error, Kind, Metadata, Nid, ROOT, Result, Tree};

/// An image's name for itself, by which overlayfs tells layers from one another.
pub type Uuid = [u8; 16];

/// An image on its way.
#[derive(Debug)]
pub struct Writer {
    output: Output,
    uuid: Uuid,
    inodes: u64,
    /// Inodes that may have several names, with what the last of these said of them.
    linked: HashMap<Nid, Option<(Kind, Metadata)>>,
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Bytes in the image; its file may have holes and take up less.
    pub image_bytes: u64,
    /// Inodes that have a name.
    pub inodes: u64,
}

/// What is kept of an inode with several names, and what counting them costs in the end, roughly.
const LINKED_BYTES: usize = 160;

/// The superblock's place, and its size.
pub(crate) const SUPER_AT: usize = 1024;
const SUPER: usize = 128;
/// What it begins with.
pub(crate) const MAGIC: u32 = 0xe0f5_e1e2;
/// Where in it the root's number is.
pub(crate) const ROOT_NID_AT: usize = 14;
/// Where in it the number of inodes is.
pub(crate) const INODES_AT: usize = 16;
/// Where in it the number of blocks is.
pub(crate) const BLOCKS_AT: usize = 36;
/// Where in it the image's name for itself is.
const UUID_AT: usize = 48;
/// The root's inode follows it: the superblock has 16 bits for the root's number.
const ROOT_AT: u64 = (SUPER_AT + SUPER) as u64;

impl Writer {
    /// Begins an image in an empty file that is open for reading and writing.
    pub fn new(file: File, uuid: Uuid) -> Self {
        Self { output: Output::new(file), uuid, inodes: 0, linked: HashMap::new() }
    }

    /// Begins a regular file of that size, which may be written in pieces; what is not written are
    /// zeros. It is part of the image with [`FileWriter::finish`] only.
    pub fn file(&mut self, size: u64, metadata: &Metadata) -> Result<FileWriter<'_>> {
        let attributes = encode_attributes(&metadata.attributes)?;
        let layout = layout_of(size, attributes.len(), BLOCK);
        let start = self.output.take_blocks(blocks_of(size, layout))?;
        let rest = if layout == Layout::Inline { size % BLOCK } else { 0 };
        let content = Content { layout, size, start };
        let mut inode = inode::encode(Kind::File, metadata, &attributes, content, 1);
        let head = inode.len();
        // Less than a block.
        inode.resize(head + usize::try_from(rest).unwrap_or(0), 0);
        let in_blocks = size - rest;
        Ok(FileWriter { writer: self, inode, head, in_blocks, at: u64::from(start) * BLOCK, size })
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, target: &[u8], metadata: &Metadata) -> Result<Nid> {
        /// `PATH_MAX` without the NUL.
        const LONGEST: usize = 4095;
        if target.is_empty() || target.len() > LONGEST || target.contains(&0) {
            return Err(Error::Unfit { fault: "is a symbolic link whose text is no path" });
        }
        let attributes = encode_attributes(&metadata.attributes)?;
        let size = target.len() as u64;
        let layout = layout_of(size, attributes.len(), BLOCK);
        let start = self.output.take_blocks(blocks_of(size, layout))?;
        let content = Content { layout, size, start };
        let mut inode = inode::encode(Kind::Symlink, metadata, &attributes, content, 1);
        if layout == Layout::Inline {
            inode.extend_from_slice(target);
        } else {
            self.output.write(u64::from(start) * BLOCK, target)?;
        }
        self.add(&inode)
    }

    /// Adds a device, by its major and minor number, or a pipe, whose numbers mean nothing.
    ///
    /// # Errors
    /// The kind is another, or the numbers are out of the kernel's range.
    pub fn node(&mut self, kind: Kind, device: (u32, u32), metadata: &Metadata) -> Result<Nid> {
        let start = match kind {
            Kind::Fifo => 0,
            Kind::CharDevice | Kind::BlockDevice => inode::device(device.0, device.1)?,
            _ => return Err(Error::Unfit { fault: "is neither a device nor a pipe" }),
        };
        let attributes = encode_attributes(&metadata.attributes)?;
        let content = Content { start, ..Content::NONE };
        let inode = inode::encode(kind, metadata, &attributes, content, 1);
        self.add(&inode)
    }

    /// Bytes of memory that inodes with several names take up, roughly.
    pub fn linked_bytes(&self) -> usize {
        self.linked.len() * LINKED_BYTES
    }

    /// Says that an inode has more than one name: they are counted in the end. With metadata, owner,
    /// mode and time become these; attributes stay as they are.
    pub fn link(&mut self, nid: Nid, changed: Option<(Kind, Metadata)>) {
        let known = self.linked.entry(nid).or_default();
        if changed.is_some() {
            *known = changed;
        }
    }

    fn add(&mut self, inode: &[u8]) -> Result<Nid> {
        Ok(Nid::at(self.output.place(inode)?))
    }

    /// Writes the directories and the superblock. The image is not flushed to the disk.
    pub fn finish(mut self, tree: &Tree) -> Result<Finished> {
        self.output.flush()?;
        self.settle_links(tree)?;
        let places = Places::new(tree, &mut self.output)?;
        let mut root = Vec::new();
        for id in &places.order {
            let inode = self.directory(tree, &places, *id)?;
            if *id == ROOT {
                root = inode;
            } else {
                self.output.write(places.of[id.number()].nid.offset(), &inode)?;
            }
        }
        self.output.flush()?;
        self.first_block(&root)?;
        self.output.set_length()?;
        let image_bytes = self.output.next_block() * BLOCK;
        Ok(Finished { image_bytes, inodes: self.inodes })
    }

    /// Counts the names of inodes that have several.
    fn settle_links(&mut self, tree: &Tree) -> Result<()> {
        let mut names: HashMap<Nid, u32> = HashMap::new();
        for id in tree.top_down() {
            self.inodes += 1;
            for (_, entry) in tree.directory(id).entries() {
                let (Entry::Inode { nid, .. } | Entry::Symlink { nid, .. }) = entry else {
                    continue;
                };
                if self.linked.contains_key(nid) {
                    *names.entry(*nid).or_default() += 1;
                } else {
                    self.inodes += 1;
                }
            }
        }
        self.inodes += names.len() as u64;
        for (nid, changed) in &self.linked {
            // One that lost all its names is nowhere to be found.
            let Some(count) = names.get(nid) else { continue };
            let mut inode = [0; INODE];
            self.output.read(nid.offset(), &mut inode)?;
            let changed = changed.as_ref().map(|(kind, metadata)| (*kind, metadata));
            inode::change(&mut inode, changed, *count);
            self.output.write_through(nid.offset(), &inode)?;
        }
        Ok(())
    }

    /// Writes a directory's blocks; its inode, with what lies beside it.
    fn directory(&mut self, tree: &Tree, places: &Places, id: DirId) -> Result<Vec<u8>> {
        let place = &places.of[id.number()];
        let directory = tree.directory(id);
        let parent = places.of[directory.parent().number()].nid;
        let names = names(directory, place.nid, parent, places);
        let inner = names.iter().filter(|name| name.kind == Kind::Directory).count();
        let content = directory::encode(&names);
        let attributes = encode_attributes(&directory.metadata.attributes)?;
        // `.`, `..` and the name above are all among those that name directories.
        let links = u32::try_from(inner).unwrap_or(u32::MAX);
        let mut inode =
            inode::encode(Kind::Directory, &directory.metadata, &attributes, place.content, links);
        let rest = match place.content.layout {
            Layout::Inline => content.len() - content.len() % BLOCK_LEN,
            Layout::Plain => content.len(),
        };
        self.output.write_through(u64::from(place.content.start) * BLOCK, &content[..rest])?;
        inode.extend_from_slice(&content[rest..]);
        Ok(inode)
    }

    fn first_block(&mut self, root: &[u8]) -> Result<()> {
        let mut block = vec![0; BLOCK_LEN];
        let start = SUPER_AT + SUPER;
        // `Places` has seen to it that it fits.
        block[start..start + root.len()].copy_from_slice(root);
        let fields = superblock(self.uuid, self.inodes, self.output.next_block());
        block[SUPER_AT..start].copy_from_slice(&fields);
        sum_up(&mut block[SUPER_AT..]);
        self.output.write_through(0, &block)
    }
}

/// Gives a finished image another name for itself. The file is open for reading and writing.
///
/// # Errors
/// The file fails.
pub fn rename(image: &File, uuid: Uuid) -> Result<()> {
    let mut block = vec![0; BLOCK_LEN];
    image.read_exact_at(&mut block, 0).map_err(Error::image("read"))?;
    let fields = &mut block[SUPER_AT..];
    fields[UUID_AT..UUID_AT + uuid.len()].copy_from_slice(&uuid);
    sum_up(fields);
    image.write_all_at(&block, 0).map_err(Error::image("write"))
}

/// Puts the checksum into a superblock that is followed by the rest of its block.
fn sum_up(fields: &mut [u8]) {
    fields[4..8].fill(0);
    let sum = crc32c(fields);
    fields[4..8].copy_from_slice(&sum.to_le_bytes());
}

fn superblock(uuid: Uuid, inodes: u64, blocks: u64) -> [u8; SUPER] {
    /// The superblock has a checksum; the times are those of the last modification.
    const FEATURES: u32 = 1 | 2;
    let mut fields = [0; SUPER];
    let mut put = |at: usize, bytes: &[u8]| fields[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &MAGIC.to_le_bytes());
    put(8, &FEATURES.to_le_bytes());
    put(12, &[12]);
    // Inodes are numbered from the image's begin: the metadata area begins at block 0.
    let root = Nid::at(ROOT_AT).number();
    put(ROOT_NID_AT, &u16::try_from(root).unwrap_or(0).to_le_bytes());
    put(INODES_AT, &inodes.to_le_bytes());
    put(BLOCKS_AT, &u32::try_from(blocks).unwrap_or(u32::MAX).to_le_bytes());
    put(UUID_AT, &uuid);
    fields
}

/// Names of a directory in order, `.` and `..` among them.
fn names<'a>(
    directory: &'a crate::Directory,
    own: Nid,
    parent: Nid,
    places: &Places,
) -> Vec<Name<'a>> {
    let mut names = vec![
        Name { text: b".", nid: own, kind: Kind::Directory },
        Name { text: b"..", nid: parent, kind: Kind::Directory },
    ];
    names.extend(directory.entries().map(|(text, entry)| match entry {
        Entry::Directory(id) => {
            Name { text, nid: places.of[id.number()].nid, kind: Kind::Directory }
        }
        Entry::Inode { nid, kind } => Name { text, nid: *nid, kind: *kind },
        Entry::Symlink { nid, .. } => Name { text, nid: *nid, kind: Kind::Symlink },
    }));
    names.sort_unstable_by_key(|name| name.text);
    names
}

/// Where directories go: known before any is written, because each names others.
struct Places {
    order: Vec<DirId>,
    of: Vec<Place>,
}

#[derive(Clone)]
struct Place {
    nid: Nid,
    content: Content,
}

impl Places {
    /// Inodes one after the other, then the blocks of those that need some.
    fn new(tree: &Tree, output: &mut Output) -> Result<Self> {
        let order = tree.top_down();
        let nowhere = Place { nid: Nid::at(ROOT_AT), content: Content::NONE };
        let mut of = vec![nowhere; tree.numbers()];
        let first = output.next_block() * BLOCK;
        let mut at = first;
        for id in &order {
            let directory = tree.directory(*id);
            let attributes = encode_attributes(&directory.metadata.attributes)?.len();
            let mut texts: Vec<&[u8]> = directory.entries().map(|(text, _)| text).collect();
            texts.extend([&b"."[..], b".."]);
            texts.sort_unstable();
            let size = directory::size_of(texts.into_iter());
            let room = if *id == ROOT { BLOCK - ROOT_AT } else { BLOCK };
            let layout = layout_of(size, attributes, room);
            let rest = if layout == Layout::Inline { size % BLOCK } else { 0 };
            let length = (INODE + attributes) as u64 + rest;
            let place = &mut of[id.number()];
            place.content = Content { layout, size, start: 0 };
            if *id == ROOT {
                if length > room {
                    let fault = "is the root, whose extended attributes must fit into 2 KiB";
                    return Err(Error::Unfit { fault });
                }
                continue;
            }
            if at % BLOCK + length > BLOCK {
                at = at.next_multiple_of(BLOCK);
            }
            place.nid = Nid::at(at);
            at = (at + length).next_multiple_of(inode::SLOT);
        }
        output.take_blocks((at - first).div_ceil(BLOCK))?;
        for id in &order {
            let content = &mut of[id.number()].content;
            content.start = output.take_blocks(blocks_of(content.size, content.layout))?;
        }
        Ok(Self { order, of })
    }
}

/// A regular file on its way.
#[derive(Debug)]
pub struct FileWriter<'a> {
    writer: &'a mut Writer,
    /// The inode, and behind it the rest that does not fill a block.
    inode: Vec<u8>,
    head: usize,
    /// Bytes in blocks of their own, and where these are in the image.
    in_blocks: u64,
    at: u64,
    size: u64,
}

impl FileWriter<'_> {
    /// Writes a piece; its place in the file must not lie before the last piece's end.
    ///
    /// # Errors
    /// It does not fit into the file's size, or the image's file fails.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= self.size);
        if end.is_none() {
            return Err(Error::Unfit { fault: "is longer than it said" });
        }
        let in_blocks = self.in_blocks.saturating_sub(offset);
        let (blocks, rest) = match usize::try_from(in_blocks) {
            Ok(count) if count < bytes.len() => bytes.split_at(count),
            _ => (bytes, &[][..]),
        };
        if !blocks.is_empty() {
            self.writer.output.write(self.at + offset, blocks)?;
        }
        if !rest.is_empty() {
            let offset = offset.max(self.in_blocks) - self.in_blocks;
            // It lies within the block that `rest` belongs to.
            let start = self.head + usize::try_from(offset).unwrap_or(0);
            self.inode[start..start + rest.len()].copy_from_slice(rest);
        }
        Ok(())
    }

    /// Makes it part of the image.
    pub fn finish(self) -> Result<Nid> {
        self.writer.add(&self.inode)
    }
}
