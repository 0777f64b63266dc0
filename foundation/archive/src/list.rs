//! Listing directories that somebody hostile may have filled: how much memory their names may take.

use std::os::fd::BorrowedFd;

use rustix::fs::Dir;
use rustix::io::Errno;

use crate::path::join;
use crate::{Error, Limits, Result};

/// Memory for names and paths that are kept while a tree is gone through.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
    limits: Limits,
}

/// What a name or path costs beyond its bytes, roughly: where it lies, and the allocation.
const OVERHEAD_BYTES: usize = 48;

impl Budget {
    /// [`Limits::remembered_bytes`] for all, [`Limits::path_bytes`] for each path.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { left: limits.remembered_bytes, limits }
    }

    /// Something is kept.
    pub(crate) fn take(&mut self, kept: &[u8]) -> Result<()> {
        let cost = kept.len() + OVERHEAD_BYTES;
        let limit = self.limits.remembered_bytes as u64;
        let too_much = Error::Limit { limit, what: "bytes in the names that must be remembered" };
        self.left = self.left.checked_sub(cost).ok_or(too_much)?;
        Ok(())
    }

    /// Something is kept no longer.
    pub(crate) fn give_back(&mut self, kept: &[u8]) {
        self.left += kept.len() + OVERHEAD_BYTES;
    }

    /// The path of what is in `parent`.
    pub(crate) fn join(&self, parent: &[u8], name: &[u8]) -> Result<Vec<u8>> {
        let limit = self.limits.path_bytes;
        let path = join(parent, name);
        if path.len() > limit {
            return Err(Error::Limit { limit: limit as u64, what: "bytes in a path" });
        }
        Ok(path)
    }

    /// The names in a directory, which count as kept.
    pub(crate) fn names_in(&mut self, dir: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<Vec<u8>>> {
        let failed = |source: Errno| Error::place("list", path, source);
        let mut names = Vec::new();
        for item in Dir::read_from(dir).map_err(failed)? {
            let item = item.map_err(failed)?;
            let name = item.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                self.take(name)?;
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }
}
