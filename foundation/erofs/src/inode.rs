//! Inodes and extended attributes in the form that they have on the disk.

use std::collections::HashMap;

use gantry_types::Timestamp;

use crate::{Error, Result};

/// Bytes in a block; the kernel takes no block that is larger than a page.
pub(crate) const BLOCK: u64 = 4096;
/// The same, for what is in memory.
pub(crate) const BLOCK_LEN: usize = 4096;
/// Bytes in an inode of the extended form.
pub(crate) const INODE: usize = 64;
/// Inodes begin at multiples of this, and are numbered by it.
pub(crate) const SLOT: u64 = 32;
/// The same, for what is in memory.
pub(crate) const SLOT_LEN: usize = 32;

/// An inode's number: its place in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nid(u64);

impl Nid {
    pub(crate) fn at(offset: u64) -> Self {
        Self(offset / SLOT)
    }

    pub(crate) fn offset(self) -> u64 {
        self.0 * SLOT
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// Out of an image.
    pub(crate) fn numbered(number: u64) -> Self {
        Self(number)
    }

    /// [`Self::offset`] of a number that came out of an image.
    pub(crate) fn checked_offset(self) -> Option<u64> {
        self.0.checked_mul(SLOT)
    }
}

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A symbolic link.
    Symlink,
}

impl Kind {
    /// The type bits of `st_mode` (inode(7)).
    fn mode(self) -> u32 {
        match self {
            Self::Fifo => 0o010_000,
            Self::CharDevice => 0o020_000,
            Self::Directory => 0o040_000,
            Self::BlockDevice => 0o060_000,
            Self::File => 0o100_000,
            Self::Symlink => 0o120_000,
        }
    }

    /// The kind that the type bits of a mode mean.
    pub(crate) fn of_mode(mode: u16) -> Option<Self> {
        const TYPE: u32 = 0o170_000;
        let kinds = [
            Self::File,
            Self::Directory,
            Self::CharDevice,
            Self::BlockDevice,
            Self::Fifo,
            Self::Symlink,
        ];
        kinds.into_iter().find(|kind| u32::from(mode) & TYPE == kind.mode())
    }

    /// The type in a directory's entry.
    pub(crate) fn in_directory(self) -> u8 {
        match self {
            Self::File => 1,
            Self::Directory => 2,
            Self::CharDevice => 3,
            Self::BlockDevice => 4,
            Self::Fifo => 5,
            Self::Symlink => 7,
        }
    }
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The full name, such as `security.capability`.
    pub name: Vec<u8>,
    /// Any bytes.
    pub value: Vec<u8>,
}

/// What is known of an inode besides its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits, set-user-id, set-group-id and sticky bit.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last modification, and every other time that the kernel shows.
    pub modified: Timestamp,
    /// Each name at most once.
    pub attributes: Vec<Attribute>,
}

impl Metadata {
    /// Adds extended attributes, the later ones in place of earlier ones of the same name.
    pub fn set_attributes(&mut self, added: impl IntoIterator<Item = Attribute>) {
        let known = self.attributes.iter().enumerate();
        let mut places: HashMap<Vec<u8>, usize> =
            known.map(|(place, attribute)| (attribute.name.clone(), place)).collect();
        for attribute in added {
            let place = *places.entry(attribute.name.clone()).or_insert(self.attributes.len());
            match self.attributes.get_mut(place) {
                Some(known) => *known = attribute,
                None => self.attributes.push(attribute),
            }
        }
    }
}

/// How an inode's content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// In blocks of its own.
    Plain,
    /// Full blocks of its own, the rest right behind the inode.
    Inline,
}

/// What an inode says of its content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    pub(crate) layout: Layout,
    pub(crate) size: u64,
    /// The first block, or a device's number in the kernel's encoding.
    pub(crate) start: u32,
}

impl Content {
    pub(crate) const NONE: Self = Self { layout: Layout::Plain, size: 0, start: 0 };
}

/// Whether the rest of a content goes behind its inode: both must lie in one block.
pub(crate) fn layout_of(size: u64, attributes_bytes: usize, room: u64) -> Layout {
    let rest = size % BLOCK;
    let fits = (INODE + attributes_bytes) as u64 + rest <= room;
    if rest > 0 && fits { Layout::Inline } else { Layout::Plain }
}

/// How many blocks of its own a content of that size has.
pub(crate) fn blocks_of(size: u64, layout: Layout) -> u64 {
    match layout {
        Layout::Plain => size.div_ceil(BLOCK),
        Layout::Inline => size / BLOCK,
    }
}

/// An inode of the extended form, and its attributes behind it.
pub(crate) fn encode(
    kind: Kind,
    metadata: &Metadata,
    attributes: &[u8],
    content: Content,
    links: u32,
) -> Vec<u8> {
    const EXTENDED: u16 = 1;
    let layout: u16 = match content.layout {
        Layout::Plain => 0,
        Layout::Inline => 2,
    };
    // One for the head, one for each four bytes behind it.
    let count = if attributes.is_empty() { 0 } else { (attributes.len() - HEAD) / 4 + 1 };
    let mut inode = Vec::with_capacity(INODE + attributes.len());
    inode.extend_from_slice(&(EXTENDED | layout << 1).to_le_bytes());
    inode.extend_from_slice(&u16::try_from(count).unwrap_or(0).to_le_bytes());
    inode.extend_from_slice(&mode(kind, metadata).to_le_bytes());
    inode.extend_from_slice(&[0; 2]);
    inode.extend_from_slice(&content.size.to_le_bytes());
    inode.extend_from_slice(&content.start.to_le_bytes());
    // A number for 32-bit programs that nothing reads.
    inode.extend_from_slice(&[0; 4]);
    inode.extend_from_slice(&owner_and_time(metadata));
    inode.extend_from_slice(&links.to_le_bytes());
    inode.extend_from_slice(&[0; 16]);
    inode.extend_from_slice(attributes);
    inode
}

fn mode(kind: Kind, metadata: &Metadata) -> u16 {
    // Nobody can give a symbolic link another one (symlink(7)).
    let bits = if kind == Kind::Symlink { 0o777 } else { metadata.mode & 0o7777 };
    u16::try_from(kind.mode() | bits).unwrap_or(0)
}

fn owner_and_time(metadata: &Metadata) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&metadata.uid.to_le_bytes());
    bytes[4..8].copy_from_slice(&metadata.gid.to_le_bytes());
    bytes[8..16].copy_from_slice(&metadata.modified.seconds.to_le_bytes());
    bytes[16..].copy_from_slice(&metadata.modified.nanos.to_le_bytes());
    bytes
}

/// Changes an encoded inode: owner, mode and time where given (attributes stay), and its links.
pub(crate) fn change(inode: &mut [u8; INODE], metadata: Option<(Kind, &Metadata)>, links: u32) {
    if let Some((kind, metadata)) = metadata {
        // A symbolic link's mode means nothing and stays.
        if kind != Kind::Symlink {
            inode[4..6].copy_from_slice(&mode(kind, metadata).to_le_bytes());
        }
        inode[24..44].copy_from_slice(&owner_and_time(metadata));
    }
    inode[44..48].copy_from_slice(&links.to_le_bytes());
}

/// The kernel's encoding of a device's number (`new_encode_dev`).
pub(crate) fn device(major: u32, minor: u32) -> Result<u32> {
    if major >= 1 << 12 || minor >= 1 << 20 {
        return Err(Error::Unfit { fault: "has a device number that is out of range" });
    }
    Ok(minor & 0xff | major << 8 | (minor & !0xff) << 12)
}

/// Bytes before the first attribute.
const HEAD: usize = 12;

/// Bytes of the attributes behind an inode that counts them so.
pub(crate) fn attributes_len(count: u16) -> u64 {
    match count {
        0 => 0,
        count => HEAD as u64 + 4 * (u64::from(count) - 1),
    }
}

/// Prefixes that are written as a number. The longer ones are whole names.
const PREFIXES: [(u8, &[u8]); 5] = [
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (1, b"user."),
    (4, b"trusted."),
    (6, b"security."),
];

/// An attribute's head, and what of its name and value follows.
fn parts(attribute: &Attribute) -> Result<([u8; 4], &[u8], &[u8])> {
    let Attribute { name, value } = attribute;
    let unfit = |fault| Error::Unfit { fault };
    let found = PREFIXES.iter().find_map(|(index, prefix)| {
        let rest = name.strip_prefix(*prefix)?;
        // An access list's name has nothing behind it, every other has.
        (rest.is_empty() == (matches!(index, 2 | 3))).then_some((*index, rest))
    });
    let (index, rest) = found.ok_or(unfit("has an extended attribute with an unknown prefix"))?;
    let length = u8::try_from(rest.len())
        .map_err(|_| unfit("has an extended attribute with a name that is too long"))?;
    let size = u16::try_from(value.len())
        .map_err(|_| unfit("has an extended attribute of more than 65535 bytes"))?;
    let [low, high] = size.to_le_bytes();
    Ok(([length, index, low, high], rest, value))
}

/// Bytes of [`encode_attributes`]; an error when an inode cannot hold them.
pub(crate) fn encoded_len(attributes: &[Attribute]) -> Result<usize> {
    /// What the inode's count can say.
    const LONGEST: usize = HEAD + 4 * (u16::MAX as usize - 1);
    if attributes.is_empty() {
        return Ok(0);
    }
    let mut length = HEAD;
    for attribute in attributes {
        let (head, rest, value) = parts(attribute)?;
        length += (head.len() + rest.len() + value.len()).next_multiple_of(4);
        if length > LONGEST {
            return Err(Error::Unfit { fault: "has more than 256 KiB of extended attributes" });
        }
    }
    Ok(length)
}

/// An inode's attributes as they lie behind it; nothing when there are none.
pub(crate) fn encode_attributes(attributes: &[Attribute]) -> Result<Vec<u8>> {
    let length = encoded_len(attributes)?;
    if length == 0 {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::with_capacity(length);
    bytes.resize(HEAD, 0);
    for attribute in attributes {
        let (head, rest, value) = parts(attribute)?;
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(rest);
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &str, value: &[u8]) -> Attribute {
        Attribute { name: name.into(), value: value.into() }
    }

    #[test]
    fn attributes_are_aligned_and_named_by_prefix() {
        let bytes = encode_attributes(&[attribute("user.ab", b"x")]).unwrap();
        assert_eq!(bytes[HEAD..], [2, 1, 1, 0, b'a', b'b', b'x', 0]);
        let bytes = encode_attributes(&[attribute("system.posix_acl_access", b"1234")]).unwrap();
        assert_eq!(bytes[HEAD..], [0, 2, 4, 0, b'1', b'2', b'3', b'4']);
        for name in ["user.", "system.posix_acl_accessory", "system.other", "nothing", ""] {
            assert!(encode_attributes(&[attribute(name, b"")]).is_err(), "{name}");
        }
        assert!(encode_attributes(&[attribute("user.a", &vec![0; 65536])]).is_err());
        assert!(
            encode_attributes(&[attribute(&format!("user.{}", "a".repeat(256)), b"")]).is_err()
        );
        let many: Vec<_> =
            (0..5).map(|at| attribute(&format!("user.{at}"), &vec![0; 65535])).collect();
        assert!(encode_attributes(&many).is_err());
        assert!(encode_attributes(&many[..3]).is_ok());
    }

    #[test]
    fn devices_are_encoded_as_the_kernel_does() {
        assert_eq!(device(1, 3).unwrap(), 0x103);
        assert_eq!(device(0xfff, 0xf_ffff).unwrap(), 0xffff_ffff);
        assert_eq!(device(8, 0x123).unwrap(), 0x10_0823);
        assert!(device(0x1000, 0).is_err() && device(0, 0x10_0000).is_err());
    }
}
