//! One layer by itself: its own root, and a walk through what is in it. No symbolic link is followed, and the number of open
//! files is that of the levels.

use std::fs::File;
use std::os::fd::OwnedFd;

use gantry_archive::OPAQUE;
use gantry_archive::tree::MAX_DEPTH;
use gantry_types::Digest;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, openat, statat};
use rustix::io::Errno;

use crate::{Error, Layers, Result};

const DIR_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// One thing in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Content<'a> {
    /// Its path from the root, without a leading slash; any bytes. Empty for the root itself.
    pub(crate) path: &'a [u8],
    /// Type and permissions, as in `st_mode`.
    pub(crate) mode: u32,
    /// Bytes of a regular file; of others none.
    pub(crate) size_bytes: u64,
    /// Who it is, where it has several names.
    pub(crate) inode: Option<u64>,
    pub(crate) role: Role,
}

/// What something in a layer means for the layers below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is there, in place of what was there; a directory together with it.
    Present,
    /// A directory that hides all that was in it.
    Opaque,
    /// It is gone.
    Whiteout,
}

impl Layers {
    /// The root of one layer's own files as overlayfs has them: deletions are devices with the number 0, and directories
    /// that hide others have an attribute.
    ///
    /// # Errors
    /// The layer is not here.
    pub fn contents(&self, diff_id: &Digest, parents: &[Digest]) -> Result<OwnedFd> {
        let found = self.shared.state().find(diff_id, parents).map(|row| (row.number, row.format));
        let (number, format) = found.ok_or_else(|| Error::Missing { diff_id: diff_id.clone() })?;
        let place = self.place(number, format)?;
        let root = File::open(place.path());
        Ok(root.map_err(|error| Error::store("open", place.path(), error))?.into())
    }

    /// Shows everything in a layer to `visit`, directories before what is in them.
    pub(crate) fn walk(
        &self,
        diff_id: &Digest,
        parents: &[Digest],
        visit: &mut dyn FnMut(Content<'_>) -> Result<()>,
    ) -> Result<()> {
        // What a layer's root hides stands in its row: overlayfs would not look at the attribute there.
        let hides_all =
            self.shared.state().find(diff_id, parents).is_some_and(|row| row.root_opaque);
        let root = self.contents(diff_id, parents)?;
        let role = if hides_all { Role::Opaque } else { Role::Present };
        let mode = FileType::Directory.as_raw_mode();
        visit(Content { path: b"", mode, size_bytes: 0, inode: None, role })?;
        let failed = |source: Errno| Error::store("read", &self.shared.dirs.layers.path, source);
        let mut frames = vec![(Dir::read_from(&root).map_err(failed)?, 0)];
        let mut path = Vec::new();
        while let Some((frame, length)) = frames.last_mut() {
            path.truncate(*length);
            let Some(item) = frame.read() else {
                frames.pop();
                continue;
            };
            let item = item.map_err(failed)?;
            let name = item.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let here = frame.fd().map_err(failed)?;
            let stat = statat(here, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            let mut content = content(&path, &stat);
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                visit(content)?;
                continue;
            }
            let dir = openat(here, name, DIR_FLAGS, Mode::empty()).map_err(failed)?;
            if is_opaque(&dir) {
                content.role = Role::Opaque;
            }
            visit(content)?;
            if frames.len() == MAX_DEPTH {
                let source =
                    gantry_archive::Error::Limit { limit: MAX_DEPTH as u64, what: "levels" };
                return Err(Error::Tree { action: "look through a layer", source });
            }
            frames.push((Dir::new(dir).map_err(failed)?, path.len()));
        }
        Ok(())
    }
}

fn content<'a>(path: &'a [u8], stat: &Stat) -> Content<'a> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let is_whiteout = kind == FileType::CharacterDevice && stat.st_rdev == 0;
    Content {
        path,
        mode: stat.st_mode,
        size_bytes: if kind == FileType::RegularFile { stat.st_size.unsigned_abs() } else { 0 },
        inode: (kind != FileType::Directory && stat.st_nlink > 1).then_some(stat.st_ino),
        role: if is_whiteout { Role::Whiteout } else { Role::Present },
    }
}

/// Whether a directory hides all that lower layers have in it.
pub(crate) fn is_opaque(dir: &OwnedFd) -> bool {
    let mut value = [0_u8; 2];
    let length = fgetxattr(dir, OPAQUE, &mut value);
    length.is_ok_and(|length| value.get(..length) == Some(&b"y"[..]))
}
