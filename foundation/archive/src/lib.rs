//! Tar archives: reading, writing, applying to a directory, and making them from one.
//!
//! This crate knows tar's formats (V7, ustar, GNU, PAX), the compressions around them and the way
//! image layers write deletions (whiteouts). It trusts nothing in an archive: every number has a
//! limit ([`Limits`]), and every path is resolved below the root it belongs to. It knows neither
//! images nor where layers are kept.
//!
//! ```
//! use std::io::Read;
//! use gantry_archive::{Header, Limits, Reader, Writer};
//!
//! let mut writer = Writer::new(Vec::new());
//! writer.append_bytes(&Header::file("etc/hostname", 0o644), b"gantry\n")?;
//! let bytes = writer.finish()?;
//!
//! let mut reader = Reader::new(&bytes[..], Limits::default());
//! while let Some(mut entry) = reader.next_entry()? {
//!     assert_eq!(entry.header().path, b"etc/hostname");
//!     let mut text = String::new();
//!     entry.read_to_string(&mut text)?;
//!     assert_eq!(text, "gantry\n");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod changes;
mod compress;
mod copy;
mod create;
mod decompress;
mod error;
mod fixups;
mod hashing;
mod header;
mod inode;
mod joined;
mod limits;
mod list;
mod look_up;
mod metadata;
mod path;
mod pax;
mod raw;
mod reader;
mod sparse;
pub mod tree;
mod writer;

pub use apply::{Applied, ApplyOptions, Meaning, Merge, Whiteouts, apply, meaning};
pub use changes::{Change, ChangeKind, changes, mount_points};
pub use compress::{compress, compress_at, compress_to, highest_level};
pub use copy::{Copied, copy};
pub use create::{
    CreateOptions, Created, Listener, create, create_at, create_entry, create_heard, create_without,
};
pub use decompress::{Compression, Decompressor, as_layer, decompress, decompress_any, is_archive};
pub use error::{Error, Result};
pub use fixups::{Fixup, resolve_fixups};
pub use hashing::Hashing;
pub use header::{EntryKind, Header, Xattr};
pub use joined::Joined;
pub use limits::Limits;
pub use look_up::look_up;
pub use metadata::{OPAQUE, carries};
pub use path::{EntryPath, OutsideRoot};
pub use reader::{Entry, Reader};
pub use writer::Writer;
