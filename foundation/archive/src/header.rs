//! One entry's metadata, free of the format that carried it. The raw form is in `raw.rs`.

use gantry_types::Timestamp;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Its text, any bytes but NUL.
        target: Vec<u8>,
    },
    /// Another name of an earlier entry.
    HardLink {
        /// The path of that entry, from the root of the archive.
        target: Vec<u8>,
    },
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xattr {
    /// The full name, such as `security.capability`; without NUL.
    pub name: Vec<u8>,
    /// The value, any bytes.
    pub value: Vec<u8>,
}

/// One entry's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The path as the archive has it: not normalised, not trusted, without NUL. See
    /// [`crate::EntryPath`].
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, set-user-id, set-group-id and sticky bit: `0o7777` at most.
    pub mode: u32,
    /// Owner; never `u32::MAX`, which means "unchanged" to the kernel.
    pub uid: u32,
    /// Group; never `u32::MAX`.
    pub gid: u32,
    /// Bytes of a file, holes included; 0 for everything else.
    pub size: u64,
    /// Last modification.
    pub modified: Timestamp,
    /// Extended attributes (PAX `SCHILY.xattr.`), in the archive's order.
    pub xattrs: Vec<Xattr>,
}

impl Header {
    /// A root-owned entry with the time of the epoch: the start of a reproducible archive.
    pub fn new(path: impl AsRef<[u8]>, kind: EntryKind, mode: u32) -> Self {
        Self {
            path: path.as_ref().to_vec(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            size: 0,
            modified: Timestamp { seconds: 0, nanos: 0 },
            xattrs: Vec::new(),
        }
    }

    /// A regular file; its size is set by [`crate::Writer::append_bytes`], or by the caller.
    pub fn file(path: impl AsRef<[u8]>, mode: u32) -> Self {
        Self::new(path, EntryKind::File, mode)
    }

    /// A directory.
    pub fn directory(path: impl AsRef<[u8]>, mode: u32) -> Self {
        Self::new(path, EntryKind::Directory, mode)
    }

    /// A symbolic link.
    pub fn symlink(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(path, EntryKind::Symlink { target: target.as_ref().to_vec() }, 0o777)
    }

    /// A hard link to an earlier entry.
    pub fn hard_link(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(path, EntryKind::HardLink { target: target.as_ref().to_vec() }, 0o644)
    }
}
