//! Reading images that [`crate::Writer`] has made: names, inodes, and where in the image the content of files lies. The
//! kernel reads images for containers; this is for whoever wants to know that an image is whole, or to find its data.
//!
//! Nothing in an image is believed: a disk may have changed it. Numbers that lead out of it are faults, and a
//! walk ends.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::checksum::crc32c;
use crate::directory;
use crate::inode::{BLOCK, BLOCK_LEN, INODE, Layout};
use crate::writer::{BLOCKS_AT, INODES_AT, MAGIC, ROOT_NID_AT, SUPER_AT};
use crate::{Error, Kind, Nid, Result, inode};

/// The largest directory that is read, in bytes: its names are in memory meanwhile.
const MOST_DIRECTORY_BYTES: u64 = 256 << 20;

/// A finished image.
#[derive(Debug)]
pub struct Image {
    file: File,
    bytes: u64,
    inodes: u64,
    root: Nid,
}

/// What an inode says of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inode {
    /// What it is.
    pub kind: Kind,
    /// Bytes in its content.
    pub size: u64,
    layout: Layout,
    start: u64,
    /// Where the last part lies, when it is beside the inode.
    beside: u64,
}

/// A piece of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the content.
    pub at: u64,
    /// Where it begins in the image.
    pub image_at: u64,
    /// Its bytes; may be none.
    pub length: u64,
}

/// One name in a directory, other than `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Any bytes but a slash and NUL.
    pub name: Vec<u8>,
    /// The inode that it names.
    pub nid: Nid,
}

impl Image {
    /// Looks at an image's superblock.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the file is no such image, was changed, or is shorter than it says.
    pub fn open(file: File) -> Result<Self> {
        let mut block = vec![0; BLOCK_LEN];
        let length = file.metadata().map_err(Error::image("examine"))?.len();
        if length < BLOCK {
            return Err(Error::Damaged { fault: "is cut off" });
        }
        file.read_exact_at(&mut block, 0).map_err(Error::image("read"))?;
        let fields = &mut block[SUPER_AT..];
        if u32_at(fields, 0) != MAGIC {
            return Err(Error::Damaged { fault: "has no superblock" });
        }
        let stored = u32_at(fields, 4);
        fields[4..8].fill(0);
        if crc32c(fields) != stored {
            return Err(Error::Damaged { fault: "has a superblock with a wrong checksum" });
        }
        let bytes = u64::from(u32_at(fields, BLOCKS_AT)) * BLOCK;
        if length < bytes {
            return Err(Error::Damaged { fault: "is cut off" });
        }
        let root = Nid::numbered(u64::from(u16_at(fields, ROOT_NID_AT)));
        Ok(Self { file, bytes, inodes: u64_at(fields, INODES_AT), root })
    }

    /// Its length, as its superblock has it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The root directory.
    pub fn root(&self) -> Nid {
        self.root
    }

    /// Reads an inode.
    pub fn inode(&self, nid: Nid) -> Result<Inode> {
        let at = nid.checked_offset().ok_or(LEADS_OUT)?;
        let mut bytes = [0; INODE];
        self.read(at, &mut bytes)?;
        let format = u16_at(&bytes, 0);
        let layout = match format {
            1 => Layout::Plain,
            5 => Layout::Inline,
            _ => return Err(Error::Damaged { fault: "has an inode of an unknown form" }),
        };
        let kind = Kind::of_mode(u16_at(&bytes, 4))
            .ok_or(Error::Damaged { fault: "has an inode of an unknown type" })?;
        let attributes = inode::attributes_len(u16_at(&bytes, 2));
        let inode = Inode {
            kind,
            size: u64_at(&bytes, 8),
            layout,
            start: u64::from(u32_at(&bytes, 16)) * BLOCK,
            beside: at + INODE as u64 + attributes,
        };
        if !matches!(kind, Kind::File | Kind::Directory | Kind::Symlink) {
            return Ok(Inode { size: 0, ..inode });
        }
        for Piece { image_at, length, .. } in inode.pieces() {
            if length > 0 && image_at.checked_add(length).is_none_or(|end| end > self.bytes) {
                return Err(LEADS_OUT);
            }
        }
        Ok(inode)
    }

    /// Reads bytes of the image.
    pub fn read(&self, at: u64, bytes: &mut [u8]) -> Result<()> {
        let end = at.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.bytes) {
            return Err(LEADS_OUT);
        }
        self.file.read_exact_at(bytes, at).map_err(Error::image("read"))
    }

    /// The names in a directory, in their order.
    ///
    /// # Errors
    /// It is none, or damaged.
    pub fn entries(&self, directory: Nid) -> Result<Vec<Named>> {
        let inode = self.directory(directory)?;
        if inode.size > MOST_DIRECTORY_BYTES {
            return Err(Error::Limit { limit: MOST_DIRECTORY_BYTES, what: "bytes in a directory" });
        }
        let mut content = vec![0; usize::try_from(inode.size).unwrap_or(0)];
        for Piece { at, image_at, length } in inode.pieces() {
            let at = usize::try_from(at).unwrap_or(0);
            let end = at + usize::try_from(length).unwrap_or(0);
            self.read(image_at, &mut content[at..end])?;
        }
        let mut named = Vec::new();
        for block in content.chunks(BLOCK_LEN) {
            let known = directory::decode_block(block).ok_or(DAMAGED_DIRECTORY)?;
            let others = known.into_iter().filter(|(name, _)| !matches!(name, &b"." | &b".."));
            named.extend(
                others.map(|(name, nid)| Named { name: name.to_vec(), nid: Nid::numbered(nid) }),
            );
        }
        Ok(named)
    }

    /// The inode that a name in a directory leads to, other than `.` and `..`. Names are in order: however many there are,
    /// few blocks are read.
    ///
    /// # Errors
    /// It is no directory, or damaged.
    pub fn find(&self, directory: Nid, name: &[u8]) -> Result<Option<Nid>> {
        let inode = self.directory(directory)?;
        if matches!(name, b"." | b"..") {
            return Ok(None);
        }
        let mut block = [0; BLOCK_LEN];
        let (mut low, mut high) = (0, inode.size.div_ceil(BLOCK));
        while low < high {
            let middle = low + (high - low) / 2;
            let known = self.directory_block(&inode, middle, &mut block)?;
            match known.as_slice() {
                [(first, _), ..] if name < first => high = middle,
                [.., (last, _)] if name > last => low = middle + 1,
                known => {
                    let found = known.iter().find(|(other, _)| *other == name);
                    return Ok(found.map(|(_, nid)| Nid::numbered(*nid)));
                }
            }
        }
        Ok(None)
    }

    fn directory(&self, nid: Nid) -> Result<Inode> {
        let inode = self.inode(nid)?;
        if inode.kind != Kind::Directory {
            return Err(Error::Damaged { fault: "has a directory that is none" });
        }
        Ok(inode)
    }

    /// The names in one of a directory's blocks.
    fn directory_block<'a>(
        &self,
        inode: &Inode,
        number: u64,
        block: &'a mut [u8; BLOCK_LEN],
    ) -> Result<Vec<(&'a [u8], u64)>> {
        let at = number * BLOCK;
        // A block is never in both pieces: only full ones are in the first.
        let [full, rest] = inode.pieces();
        let piece = if at < full.length { full } else { rest };
        let length = usize::try_from(piece.at + piece.length - at).unwrap_or(BLOCK_LEN);
        let block = &mut block[..length.min(BLOCK_LEN)];
        self.read(piece.image_at + (at - piece.at), block)?;
        directory::decode_block(block).ok_or(DAMAGED_DIRECTORY)
    }

    /// Looks at every name and inode; how many inodes have a name. The content of files says nothing of itself.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<u64> {
        let mut seen = HashSet::from([self.root]);
        let mut directories = vec![self.root];
        while let Some(directory) = directories.pop() {
            for Named { nid, .. } in self.entries(directory)? {
                let kind = self.inode(nid)?.kind;
                let is_new = seen.insert(nid);
                match (kind, is_new) {
                    (Kind::Directory, true) => directories.push(nid),
                    (Kind::Directory, false) => {
                        return Err(Error::Damaged { fault: "has a directory with two names" });
                    }
                    _ => {}
                }
                if seen.len() as u64 > self.inodes {
                    return Err(Error::Damaged { fault: "has more inodes than it says" });
                }
            }
        }
        if (seen.len() as u64) < self.inodes {
            return Err(Error::Damaged { fault: "has fewer inodes than it says" });
        }
        Ok(self.inodes)
    }
}

const DAMAGED_DIRECTORY: Error = Error::Damaged { fault: "has a damaged directory" };

const LEADS_OUT: Error = Error::Damaged { fault: "has a number that leads out of it" };

impl Inode {
    /// Where the content lies: the full blocks, and the rest.
    pub fn pieces(&self) -> [Piece; 2] {
        let rest = match self.layout {
            Layout::Inline => self.size % BLOCK,
            Layout::Plain => 0,
        };
        let blocks = self.size - rest;
        [
            Piece { at: 0, image_at: self.start, length: blocks },
            Piece { at: blocks, image_at: self.beside, length: rest },
        ]
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let mut field = [0; 2];
    field.copy_from_slice(&bytes[at..at + 2]);
    u16::from_le_bytes(field)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}

#[cfg(test)]
mod tests {
    use gantry_types::Timestamp;

    use super::*;
    use crate::{Entry, Metadata, ROOT, Tree, Writer};

    const CONTENT: usize = 10_000;

    fn metadata() -> Metadata {
        let modified = Timestamp { seconds: 1, nanos: 2 };
        Metadata { mode: 0o755, uid: 0, gid: 0, modified, attributes: Vec::new() }
    }

    /// A file `d/<number>` for each number, with a link and a device beside.
    fn made(files: usize) -> File {
        let file = tempfile::tempfile().unwrap();
        let mut writer = Writer::new(file.try_clone().unwrap(), [7; 16]);
        let mut tree = Tree::new(metadata(), 1 << 24);
        let dir = tree.make(ROOT, b"d", metadata()).unwrap();
        for number in 0..files {
            let content = content(number);
            let mut one = writer.file(content.len() as u64, &metadata()).unwrap();
            one.write(0, &content).unwrap();
            let nid = one.finish().unwrap();
            let name = format!("{number:05}");
            tree.insert(dir, name.as_bytes(), Entry::Inode { nid, kind: Kind::File }).unwrap();
        }
        let nid = writer.node(Kind::CharDevice, (1, 3), &metadata()).unwrap();
        tree.insert(ROOT, b"null", Entry::Inode { nid, kind: Kind::CharDevice }).unwrap();
        writer.finish(&tree).unwrap();
        file
    }

    fn content(number: usize) -> Vec<u8> {
        let length = number * 37 % CONTENT;
        (0..length).map(|at| u8::try_from((at * 7 + number) % 251).unwrap()).collect()
    }

    #[test]
    fn finds_what_was_written() {
        let image = Image::open(made(1000)).unwrap();
        assert_eq!(image.check().unwrap(), 1003);
        let root = image.entries(image.root()).unwrap();
        assert_eq!(
            root.iter().map(|named| &named.name[..]).collect::<Vec<_>>(),
            [&b"d"[..], b"null"]
        );
        let names = image.entries(root[0].nid).unwrap();
        assert_eq!(names.len(), 1000);
        let find = |directory, name: &[u8]| image.find(directory, name).unwrap();
        assert_eq!(find(image.root(), b"d"), Some(root[0].nid));
        for (number, named) in names.iter().enumerate() {
            assert_eq!(named.name, format!("{number:05}").as_bytes());
            assert_eq!(find(root[0].nid, &named.name), Some(named.nid), "{number}");
            let inode = image.inode(named.nid).unwrap();
            let mut found = Vec::new();
            for piece in inode.pieces() {
                assert_eq!(piece.at, found.len() as u64);
                let mut bytes = vec![0; usize::try_from(piece.length).unwrap()];
                image.read(piece.image_at, &mut bytes).unwrap();
                found.extend(bytes);
            }
            assert_eq!(found, content(number), "{number}");
        }
        for none in [&b"."[..], b"..", b"", b"!", b"00000x", b"00499x", b"00999x", b"~"] {
            assert_eq!(find(root[0].nid, none), None, "{none:?}");
        }
        assert!(image.find(names[0].nid, b"a").is_err(), "a file has no names");
    }

    #[test]
    fn damage_is_told_and_never_believed() {
        let whole = made(50);
        let length = whole.metadata().unwrap().len();
        let changed = |at: u64, bits: u8| {
            let mut bytes = vec![0; usize::try_from(length).unwrap()];
            whole.read_exact_at(&mut bytes, 0).unwrap();
            bytes[usize::try_from(at).unwrap()] ^= bits;
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&bytes, 0).unwrap();
            file
        };
        for at in (SUPER_AT as u64..BLOCK).step_by(13) {
            assert!(Image::open(changed(at, 1)).is_err(), "{at}");
        }
        // Whatever a changed byte makes of it: an answer, in a moment.
        for at in (BLOCK..length).step_by(31) {
            for bits in [1, 0x80, 0xff] {
                let image = Image::open(changed(at, bits)).unwrap();
                drop(image.check());
                drop(image.find(image.root(), b"d").map(|d| image.find(d?, b"00020").ok()?));
            }
        }
        whole.set_len(length - 1).unwrap();
        assert!(Image::open(whole.try_clone().unwrap()).is_err());
        whole.set_len(100).unwrap();
        assert!(Image::open(whole).is_err());
    }
}
