//! What an applier remembers until the end: times of directories, directories that nobody declared,
//! whiteouts, and hard links whose target is not there. Bounded in bytes.

use std::collections::BTreeMap;

use gantry_types::Timestamp;

use crate::{EntryPath, Error, Fixup, Result};

/// What is known of one path.
#[derive(Debug, Default)]
struct Known {
    /// The time that a directory gets in the end.
    modified: Option<Timestamp>,
    /// A directory that no entry declares.
    implied: bool,
    /// A directory that hides lower layers.
    opaque: bool,
    /// A deletion.
    whiteout: bool,
    /// A hard link to something that this archive does not have, and its turn.
    link: Option<(u64, EntryPath)>,
}

#[derive(Debug)]
pub(super) struct Memory {
    known: BTreeMap<EntryPath, Known>,
    bytes: usize,
    limit: usize,
    links: u64,
}

/// What a remembered path costs beyond its bytes, roughly.
const OVERHEAD_BYTES: usize = 128;

impl Memory {
    pub(super) fn new(limit: usize) -> Self {
        Self { known: BTreeMap::new(), bytes: 0, limit, links: 0 }
    }

    fn known(&mut self, path: EntryPath) -> Result<&mut Known> {
        if !self.known.contains_key(&path) {
            self.bytes += path.as_bytes().len() + OVERHEAD_BYTES;
            if self.bytes > self.limit {
                let limit = self.limit as u64;
                return Err(Error::Limit { limit, what: "bytes in the paths of directories" });
            }
        }
        Ok(self.known.entry(path).or_default())
    }

    /// An entry declared a directory.
    pub(super) fn directory(&mut self, path: EntryPath, modified: Timestamp) -> Result<()> {
        let known = self.known(path)?;
        known.modified = Some(modified);
        known.implied = false;
        Ok(())
    }

    /// A directory had to be made on the way to an entry.
    pub(super) fn implied(&mut self, path: EntryPath) -> Result<()> {
        self.known(path)?.implied = true;
        Ok(())
    }

    /// A directory hides what lower layers have in it.
    pub(super) fn opaque(&mut self, path: EntryPath) -> Result<()> {
        self.known(path)?.opaque = true;
        Ok(())
    }

    /// A directory hides that of lower layers itself: it looks like nothing below.
    pub(super) fn hides(&mut self, path: EntryPath) -> Result<()> {
        let known = self.known(path)?;
        (known.opaque, known.implied) = (true, false);
        Ok(())
    }

    pub(super) fn whiteout(&mut self, path: EntryPath) -> Result<()> {
        self.known(path)?.whiteout = true;
        Ok(())
    }

    pub(super) fn is_whiteout(&self, path: &EntryPath) -> bool {
        self.known.get(path).is_some_and(|known| known.whiteout)
    }

    /// A hard link's target is not there.
    pub(super) fn link(&mut self, path: EntryPath, target: EntryPath) -> Result<()> {
        self.links += 1;
        let turn = self.links;
        self.bytes += target.as_bytes().len();
        self.known(path)?.link = Some((turn, target));
        Ok(())
    }

    /// Whether such a link waits at a path.
    pub(super) fn is_link(&self, path: &EntryPath) -> bool {
        self.known.get(path).is_some_and(|known| known.link.is_some())
    }

    /// The links that wait, in the archive's order: where, and to what.
    pub(super) fn links(&self) -> Vec<(EntryPath, EntryPath)> {
        let mut links: Vec<_> = self
            .known
            .iter()
            .filter_map(|(path, known)| {
                let (turn, target) = known.link.as_ref()?;
                Some((*turn, path.clone(), target.clone()))
            })
            .collect();
        links.sort_unstable_by_key(|(turn, ..)| *turn);
        links.into_iter().map(|(_, path, target)| (path, target)).collect()
    }

    /// Something at a path goes, with all below it. Whether it was a whiteout.
    pub(super) fn forget(&mut self, path: &EntryPath) -> bool {
        let range = path.below();
        let below: Vec<EntryPath> = self.known.range(range).map(|(path, _)| path.clone()).collect();
        for path in below {
            self.drop_known(&path);
        }
        self.drop_known(path).is_some_and(|known| known.whiteout)
    }

    fn drop_known(&mut self, path: &EntryPath) -> Option<Known> {
        let known = self.known.remove(path)?;
        self.bytes = self.bytes.saturating_sub(path.as_bytes().len() + OVERHEAD_BYTES);
        Some(known)
    }

    pub(super) fn times(&self) -> impl Iterator<Item = (&EntryPath, Timestamp)> {
        self.known.iter().filter_map(|(path, known)| Some((path, known.modified?)))
    }

    /// Implied directories, outer ones first, then links in the archive's order.
    pub(super) fn into_fixups(self) -> Vec<Fixup> {
        let mut fixups: Vec<Fixup> = self
            .known
            .iter()
            .filter(|(path, known)| known.implied && !self.is_hidden(path))
            .map(|(path, _)| Fixup::ImpliedDirectory { path: path.clone() })
            .collect();
        let links = self.links().into_iter();
        fixups.extend(links.map(|(path, target)| Fixup::Link { path, target }));
        fixups
    }

    /// Whether lower layers don't show in the directory that a path lies in.
    fn is_hidden(&self, path: &EntryPath) -> bool {
        let is_opaque = |path: &EntryPath| self.known.get(path).is_some_and(|known| known.opaque);
        is_opaque(&EntryPath::root()) || path.up().ancestry().any(|above| is_opaque(&above))
    }
}
