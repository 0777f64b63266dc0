//! Writing images of erofs, the kernel's read-only file system: uncompressed, in one pass, with the
//! names in memory and everything else on the disk at once.
//!
//! A [`Writer`] takes files, links and devices as they come and says under which number ([`Nid`]) each
//! is to be found; a [`Tree`] keeps the names; [`Writer::finish`] writes the directories behind all
//! else, and the superblock last, so that a file that was not finished is no image. An [`Image`] is
//! one that was finished, to be examined. Nothing is ever mounted here.
//!
//! What is on the disk follows the kernel's `Documentation/filesystems/erofs.rst` and the reference at
//! erofs.docs.kernel.org ("Core on-disk format"). Every kernel since 5.4 reads it (mounting an image
//! that is a regular file needs 6.12): extended inodes, flat data, the last part of a file beside its
//! inode where that fits, extended attributes beside their inode.

mod checksum;
mod directory;
mod error;
mod image;
mod inode;
mod output;
mod tree;
mod writer;

pub use error::{Error, Result};
pub use image::{Image, Inode, Named, Piece};
pub use inode::{Attribute, Kind, Metadata, Nid};
pub use tree::{DirId, Directory, Entry, ROOT, Tree};
pub use writer::{FileWriter, Finished, Uuid, Writer, rename};
