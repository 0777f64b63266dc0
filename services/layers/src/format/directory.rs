//! Layers as directories: each file a file.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use gantry_archive::{ApplyOptions, Whiteouts, resolve_fixups};
use gantry_types::{Algorithm, Digest};
use rustix::fs::{AtFlags, Mode, OFlags, chmodat, mkdirat, openat};
use rustix::io::Errno;

use super::{Extracted, Identity, Incoming, LayerFormat};
use crate::{Error, Result};

/// The directory with the files.
pub(super) const FILES: &str = "fs";

const OPEN: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

#[derive(Debug)]
pub(super) struct Directories;

impl LayerFormat for Directories {
    fn extract(&self, place: BorrowedFd<'_>, mut layer: Incoming<'_>) -> Result<Extracted> {
        let root = make(place).map_err(|error| Error::store("make", layer.store, error))?;
        let options = ApplyOptions {
            limits: layer.limits.clone(),
            whiteouts: Whiteouts::Overlay,
            algorithm: layer.identity.digest().map_or(Algorithm::Sha256, Digest::algorithm),
            known: match layer.identity {
                Identity::Claimed(_) => None,
                Identity::Verified(digest) => Some(digest.clone()),
                // It is not asked for.
                Identity::Later => Some(Digest::sha256([0; 32])),
            },
            ..ApplyOptions::default()
        };
        let applied = gantry_archive::apply(&mut layer.tar, root.as_fd(), &options)
            .map_err(|error| layer.failed(error))?;
        layer.check(applied.diff_id)?;
        if !applied.fixups.is_empty() && layer.has_place() {
            let lower = (layer.lower)()?;
            resolve_fixups(root.as_fd(), lower.as_ref().map(AsFd::as_fd), &applied.fixups)
                .map_err(|error| layer.failed(error))?;
        }
        Ok(Extracted {
            size_bytes: applied.size_bytes,
            fixups: applied.fixups.len() as u64,
            root_given: applied.root_given,
            root_opaque: applied.root_opaque,
        })
    }

    fn name(&self, _place: BorrowedFd<'_>, _diff_id: &Digest) -> std::io::Result<()> {
        Ok(())
    }

    fn open(&self, data: &Path, _label: Option<&str>) -> Result<OwnedFd> {
        rustix::fs::open(data, OPEN, Mode::empty())
            .map_err(|error| Error::store("open", data, error))
    }
}

/// The root of a layer that has not said yet what it looks like.
fn make(place: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    mkdirat(place, FILES, Mode::RWXU)?;
    chmodat(place, FILES, Mode::from_raw_mode(0o755), AtFlags::empty())?;
    openat(place, FILES, OPEN, Mode::empty())
}
