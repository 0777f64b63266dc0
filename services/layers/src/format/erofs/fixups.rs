//! What a layer alone does not say (see [`gantry_archive::Fixup`]), settled before the image's names
//! are written.

use std::os::fd::{AsFd, OwnedFd};

use gantry_archive::{EntryKind, EntryPath, Error, Header, Result, look_up};
use gantry_erofs::{DirId, Entry, Kind, Nid, ROOT};
use rustix::fs::{SeekFrom, seek};
use rustix::io::{Errno, pread};

use super::extractor::{COPY_BYTES, Extractor, entry_error, metadata, refuse, without_attributes};

/// Things that depend on the layers below.
#[derive(Debug)]
pub(super) struct Fixups {
    /// Directories that look like those of the lower layers, outer ones first.
    implied: Vec<DirId>,
    /// Hard links to what this layer does not have, by turn, path and target, in the archive's order.
    links: Vec<(u64, Vec<u8>, EntryPath)>,
}

impl Fixups {
    pub(super) fn len(&self) -> u64 {
        (self.implied.len() + self.links.len()) as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Extractor {
    /// All that depends on lower layers. The archive has ended.
    pub(super) fn fixups(&mut self) -> Fixups {
        let mut implied = Vec::new();
        let mut going = vec![ROOT];
        if self.root_opaque || self.implied.is_empty() {
            going.clear();
        }
        while let Some(id) = going.pop() {
            if self.implied.contains(&id) {
                implied.push(id);
            }
            // What is in it lies above nothing.
            if self.opaque.contains(&id) {
                continue;
            }
            going.extend(self.tree.directory(id).entries().filter_map(|(_, entry)| match entry {
                Entry::Directory(id) => Some(*id),
                _ => None,
            }));
        }
        let links = std::mem::take(&mut self.links).into_iter();
        let mut links: Vec<_> = links.map(|(path, (turn, target))| (turn, path, target)).collect();
        links.sort_unstable_by_key(|(turn, ..)| *turn);
        Fixups { implied, links }
    }

    /// Settles fixups. `lower` is the merged view of the layers below, if there are any.
    pub(super) fn resolve(&mut self, fixups: &Fixups, lower: Option<&OwnedFd>) -> Result<()> {
        for id in &fixups.implied {
            let Some(lower) = lower else { break };
            let longest = self.limits.path_bytes;
            let path = self.tree.path_of(*id, longest);
            let limit = Error::Limit { limit: longest as u64, what: "bytes in a directory's path" };
            let Ok(path) = EntryPath::normalise(&path.ok_or(limit)?) else { continue };
            if let Some((header, _)) = look_up(lower.as_fd(), &path)?
                && header.kind == EntryKind::Directory
            {
                self.describe(*id, &header)?;
            }
        }
        for (_, path, target) in &fixups.links {
            let Ok(path) = EntryPath::normalise(path) else { continue };
            self.late_link(&path, target, lower)?;
        }
        Ok(())
    }

    /// The target may have come later in the archive, or by an earlier fixup; else it is copied up, as
    /// overlayfs would.
    fn late_link(
        &mut self,
        path: &EntryPath,
        target: &EntryPath,
        lower: Option<&OwnedFd>,
    ) -> Result<()> {
        let bytes = path.as_bytes();
        let no_directory = || entry_error(bytes, "is a hard link to a directory");
        let entry = match self.existing(target) {
            Some((_, Entry::Directory(_))) => return Err(no_directory()),
            Some((_, entry)) if self.whiteout != entry_nid(&entry) => {
                if let Some(nid) = entry_nid(&entry) {
                    self.writer.link(nid, None);
                }
                entry
            }
            _ => {
                let found = match lower {
                    Some(lower) => look_up(lower.as_fd(), target)?,
                    None => None,
                };
                let (header, file) = found.ok_or_else(|| {
                    entry_error(bytes, "is a hard link to a file that is not there")
                })?;
                self.copy_up(path, &header, file)?
            }
        };
        let dir = self.make_way(path)?;
        self.put(dir, path, entry)
    }

    fn copy_up(
        &mut self,
        path: &EntryPath,
        header: &Header,
        file: Option<OwnedFd>,
    ) -> Result<Entry> {
        let refused = |error| refuse(path.as_bytes())(error);
        let (kind, device) = match &header.kind {
            EntryKind::Directory | EntryKind::HardLink { .. } => {
                return Err(entry_error(path.as_bytes(), "is a hard link to a directory"));
            }
            EntryKind::Symlink { target } => {
                let nid = self.writer.symlink(target, &without_attributes(header));
                let nid = nid.map_err(refused)?;
                return Ok(Entry::Symlink { nid, target: target[..].into() });
            }
            EntryKind::File => {
                let Some(file) = file else {
                    let fault = "is a hard link to a file that cannot be read";
                    return Err(entry_error(path.as_bytes(), fault));
                };
                let nid = self.copy_file(path, header, &file)?;
                return Ok(Entry::Inode { nid, kind: Kind::File });
            }
            EntryKind::CharDevice { major, minor } => (Kind::CharDevice, (*major, *minor)),
            EntryKind::BlockDevice { major, minor } => (Kind::BlockDevice, (*major, *minor)),
            EntryKind::Fifo => (Kind::Fifo, (0, 0)),
        };
        let nid = self.writer.node(kind, device, &without_attributes(header)).map_err(refused)?;
        Ok(Entry::Inode { nid, kind })
    }

    /// Copies a file of lower layers; what has no data there is a hole here too.
    fn copy_file(&mut self, path: &EntryPath, header: &Header, from: &OwnedFd) -> Result<Nid> {
        let refused = |error| refuse(path.as_bytes())(error);
        let failed = |error: Errno| place_error(path, error);
        let mut copy = self.writer.file(header.size, &metadata(header)).map_err(refused)?;
        let mut offset = 0;
        loop {
            offset = match seek(from, SeekFrom::Data(offset)) {
                Ok(data) => data,
                // Nothing but a hole is left.
                Err(Errno::NXIO) => break,
                Err(error) => return Err(failed(error)),
            };
            let hole = seek(from, SeekFrom::Hole(offset)).map_err(failed)?;
            while offset < hole {
                let most = usize::try_from(hole - offset).unwrap_or(usize::MAX).min(COPY_BYTES);
                let count = match pread(from, &mut self.buffer[..most], offset) {
                    Ok(0) => break,
                    Ok(count) => count,
                    Err(Errno::INTR) => continue,
                    Err(error) => return Err(failed(error)),
                };
                self.copied_bytes = self.copied_bytes.saturating_add(count as u64);
                if self.copied_bytes > self.limits.total_bytes {
                    let limit = self.limits.total_bytes;
                    return Err(Error::Limit { limit, what: "bytes that links copy" });
                }
                let piece = &self.buffer[..count];
                // Images have no holes, only zeros.
                if piece.iter().any(|byte| *byte != 0) {
                    copy.write(offset, piece).map_err(refused)?;
                }
                offset += count as u64;
            }
            if offset < hole {
                // It became shorter: nothing comes behind.
                break;
            }
        }
        copy.finish().map_err(refused)
    }
}

fn place_error(path: &EntryPath, error: Errno) -> Error {
    let path = String::from_utf8_lossy(path.as_bytes()).into_owned();
    Error::Place { action: "copy up", path, source: error.into() }
}

fn entry_nid(entry: &Entry) -> Option<Nid> {
    match entry {
        Entry::Inode { nid, .. } | Entry::Symlink { nid, .. } => Some(*nid),
        Entry::Directory(_) => None,
    }
}
