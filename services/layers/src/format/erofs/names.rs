//! Where an entry's name leads in an image: what the kernel's path lookup is for directories, with the
//! layer's own root as the root. Directories that nobody declared are made on the way.

use gantry_archive::EntryPath;
use gantry_erofs::{DirId, Entry, ROOT};

use super::extractor::{Extractor, entry_error, meta, opaque, refuse};

/// Links that one lookup follows, as in the kernel.
const MOST_LINKS: u32 = 40;
/// What a directory without an entry gets; Docker's choice.
const IMPLIED_MODE: u32 = 0o755;

/// Where a lookup ends.
enum End {
    Found(DirId),
    Missing,
    /// Something on the way is no directory, or the links lead round and round.
    Blocked,
}

impl Extractor {
    /// The directory that a path lies in, made when it is missing.
    pub(super) fn parent(&mut self, path: &EntryPath) -> gantry_archive::Result<DirId> {
        self.directory_at(path.parent())
    }

    /// The directory at a path, made when it is missing.
    pub(super) fn directory_at(&mut self, path: &[u8]) -> gantry_archive::Result<DirId> {
        if path.is_empty() {
            return Ok(ROOT);
        }
        if let Some((current, dir)) = &self.current
            && current == path
        {
            return Ok(*dir);
        }
        let mut at = ROOT;
        let mut end = 0;
        for name in path.split(|&byte| byte == b'/') {
            end += name.len();
            at = self.step(at, name, &path[..end])?;
            end += 1;
        }
        self.current = Some((path.to_vec(), at));
        Ok(at)
    }

    /// One name on the way; `path` is the way up to it.
    fn step(&mut self, at: DirId, name: &[u8], path: &[u8]) -> gantry_archive::Result<DirId> {
        let blocked = || entry_error(path, "is not a directory, but others lie in it");
        let hides = match self.tree.directory(at).get(name) {
            Some(Entry::Directory(id)) => return Ok(*id),
            Some(Entry::Symlink { target, .. }) => {
                return match self.walk(at, target, &mut 0) {
                    End::Found(id) => Ok(id),
                    End::Missing | End::Blocked => Err(blocked()),
                };
            }
            Some(Entry::Inode { nid, .. }) if self.whiteout == Some(*nid) => true,
            Some(Entry::Inode { .. }) => return Err(blocked()),
            None => false,
        };
        if hides {
            self.tree.remove(at, name);
        }
        self.forget_link(path);
        let looks = if hides { opaque(IMPLIED_MODE) } else { meta(IMPLIED_MODE) };
        let made = self.tree.make(at, name, looks).map_err(refuse(path))?;
        if hides {
            self.opaque.insert(made);
        } else {
            self.implied.insert(made);
        }
        Ok(made)
    }

    /// The directory that a path lies in, if it is there.
    pub(super) fn existing_parent(&self, path: &EntryPath) -> Option<DirId> {
        match self.walk(ROOT, path.parent(), &mut 0) {
            End::Found(id) => Some(id),
            End::Missing | End::Blocked => None,
        }
    }

    /// Follows a text from a directory on. Nothing leads out: above the root is the root.
    fn walk(&self, start: DirId, text: &[u8], links: &mut u32) -> End {
        let mut at = if text.first() == Some(&b'/') { ROOT } else { start };
        for name in text.split(|&byte| byte == b'/') {
            match name {
                b"" | b"." => continue,
                b".." => {
                    at = self.tree.directory(at).parent();
                    continue;
                }
                _ => {}
            }
            at = match self.tree.directory(at).get(name) {
                None => return End::Missing,
                Some(Entry::Directory(id)) => *id,
                Some(Entry::Inode { .. }) => return End::Blocked,
                Some(Entry::Symlink { target, .. }) => {
                    *links += 1;
                    if *links > MOST_LINKS {
                        return End::Blocked;
                    }
                    match self.walk(at, target, links) {
                        End::Found(id) => id,
                        end => return end,
                    }
                }
            };
        }
        End::Found(at)
    }

    /// A path that is there: the directory it lies in, and what it stands for.
    pub(super) fn existing(&self, path: &EntryPath) -> Option<(DirId, Entry)> {
        let parent = self.existing_parent(path)?;
        let entry = self.tree.directory(parent).get(path.name())?;
        Some((parent, entry.clone()))
    }
}
