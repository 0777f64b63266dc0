//! Writes tar archives entry by entry, honest ones and hostile ones: it checks nothing.

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A hard link to an earlier entry.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A directory.
    Directory,
    /// A type flag of one's own.
    Raw(u8),
}

impl Kind {
    fn flag(self) -> u8 {
        match self {
            Self::File => b'0',
            Self::HardLink => b'1',
            Self::Symlink => b'2',
            Self::CharDevice => b'3',
            Self::Directory => b'5',
            Self::Raw(flag) => flag,
        }
    }
}

/// One entry. Names longer than 100 bytes are cut: write a `Kind::Raw(b'L')` entry before it.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// The path, as it goes into the header.
    pub name: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Where a link points.
    pub target: &'a str,
    /// A file's content.
    pub content: &'a [u8],
    /// The size to claim, when it is not the content's.
    pub claimed_size: Option<u64>,
}

impl<'a> Entry<'a> {
    /// An entry of root's with mode 0644 and no content.
    pub fn new(name: &'a str, kind: Kind) -> Self {
        let mode = 0o644;
        Self { name, kind, mode, owner: (0, 0), target: "", content: &[], claimed_size: None }
    }
}

/// An archive being written.
#[derive(Debug, Default, Clone)]
pub struct Tar {
    bytes: Vec<u8>,
}

const BLOCK: usize = 512;

impl Tar {
    /// An archive without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file of root's.
    #[must_use]
    pub fn file(self, name: &str, mode: u32, content: &[u8]) -> Self {
        self.entry(&Entry { mode, content, ..Entry::new(name, Kind::File) })
    }

    /// Adds a directory of root's.
    #[must_use]
    pub fn directory(self, name: &str, mode: u32) -> Self {
        self.entry(&Entry { mode, ..Entry::new(name, Kind::Directory) })
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(&Entry { mode: 0o777, target, ..Entry::new(name, Kind::Symlink) })
    }

    /// Adds a hard link. As with Docker, its mode becomes that of the file.
    #[must_use]
    pub fn hard_link(self, name: &str, mode: u32, target: &str) -> Self {
        self.entry(&Entry { mode, target, ..Entry::new(name, Kind::HardLink) })
    }

    /// Adds any entry.
    #[must_use]
    pub fn entry(mut self, entry: &Entry<'_>) -> Self {
        let size = entry.claimed_size.unwrap_or(entry.content.len() as u64);
        let mut header = [0_u8; BLOCK];
        put(&mut header, 0, 100, entry.name.as_bytes());
        put(&mut header, 100, 8, format!("{:07o}", entry.mode).as_bytes());
        put(&mut header, 108, 8, format!("{:07o}", entry.owner.0).as_bytes());
        put(&mut header, 116, 8, format!("{:07o}", entry.owner.1).as_bytes());
        put(&mut header, 124, 12, format!("{size:011o}").as_bytes());
        put(&mut header, 136, 12, b"00000000000");
        put(&mut header, 148, 8, b"        ");
        put(&mut header, 156, 1, &[entry.kind.flag()]);
        put(&mut header, 157, 100, entry.target.as_bytes());
        put(&mut header, 257, 8, b"ustar\x0000");
        if entry.kind == Kind::CharDevice {
            put(&mut header, 329, 8, b"0000001");
            put(&mut header, 337, 8, b"0000003");
        }
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        put(&mut header, 148, 8, format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(entry.content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// The archive with its two closing blocks.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }

    /// The archive as it is, without an end.
    pub fn cut_off(self) -> Vec<u8> {
        self.bytes
    }
}

fn put(header: &mut [u8; BLOCK], at: usize, width: usize, value: &[u8]) {
    for (place, byte) in header.iter_mut().skip(at).take(width).zip(value) {
        *place = *byte;
    }
}
