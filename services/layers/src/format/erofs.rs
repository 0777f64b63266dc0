//! Layers as images of erofs: one file each, written in one go, mounted without a block device. Making
//! one does not depend on the kernel; what a layer's archive means is `erofs/extractor.rs`, names and
//! the links among them `erofs/names.rs`, what depends on lower layers `erofs/fixups.rs`.

mod extractor;
mod fixups;
mod names;

use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use gantry_archive::{Hashing, Reader};
use gantry_erofs::Image;
use gantry_types::Digest;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use self::extractor::Extractor;
use super::{Extracted, Identity, Incoming, LayerFormat};
use crate::{Error, Result};

/// The image's file.
pub(super) const IMAGE: &str = "layer.erofs";

#[derive(Debug)]
pub(super) struct Images;

impl LayerFormat for Images {
    fn extract(&self, place: BorrowedFd<'_>, mut layer: Incoming<'_>) -> Result<Extracted> {
        let image = create(place).map_err(|error| Error::store("make", layer.store, error))?;
        let hashing = match layer.identity {
            Identity::Claimed(digest) => Hashing::new(&mut layer.tar, digest.algorithm()),
            Identity::Verified(digest) => Hashing::known(&mut layer.tar, digest.clone()),
            // It is not asked for.
            Identity::Later => Hashing::known(&mut layer.tar, Digest::sha256([0; 32])),
        };
        let mut reader = Reader::new(hashing, layer.limits.clone());
        let mut extractor = Extractor::new(image, uuid(layer.identity.digest()), layer.limits);
        let read = || -> gantry_archive::Result<Digest> {
            while let Some(entry) = reader.next_entry()? {
                extractor.entry(entry)?;
            }
            Ok(reader.finish()?.digest())
        };
        let digest = read().map_err(|error| layer.failed(error))?;
        layer.check(digest)?;
        let fixups = extractor.fixups();
        if !fixups.is_empty() && !layer.has_place() {
            return Ok(extractor.unfinished(fixups.len()));
        }
        let lower = if fixups.is_empty() { None } else { (layer.lower)()? };
        extractor
            .resolve(&fixups, lower.as_ref())
            .and_then(|()| extractor.finish())
            .map(|extracted| Extracted { fixups: fixups.len(), ..extracted })
            .map_err(|error| layer.failed(error))
    }

    fn name(&self, place: BorrowedFd<'_>, diff_id: &Digest) -> std::io::Result<()> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let image = File::from(openat(place, IMAGE, flags, Mode::empty())?);
        gantry_erofs::rename(&image, uuid(Some(diff_id))).map_err(std::io::Error::other)
    }

    fn open(&self, data: &Path, label: Option<&str>) -> Result<OwnedFd> {
        let failed = |error: Errno| Error::store("mount", data, error);
        let file = find(data).map_err(failed)?;
        // What was cut off the kernel notices only when somebody reads there.
        let examined =
            Image::open(file.try_clone().map_err(|error| Error::store("open", data, error))?);
        examined.map_err(|source| Error::damaged(data, source))?;
        mount_file(&file, label).map_err(failed)
    }
}

fn create(place: BorrowedFd<'_>) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(place, IMAGE, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

/// Overlayfs remembers by it which layer a copied file came from.
fn uuid(diff_id: Option<&Digest>) -> gantry_erofs::Uuid {
    let mut uuid = [0; 16];
    let hex = diff_id.map_or(&[][..], |digest| digest.hex().as_bytes());
    for (byte, pair) in uuid.iter_mut().zip(hex.chunks_exact(2)) {
        let digit = |letter: u8| char::from(letter).to_digit(16).unwrap_or(0);
        *byte = u8::try_from(digit(pair[0]) << 4 | digit(pair[1])).unwrap_or(0);
    }
    uuid
}

/// Mounts an image; the mount is attached nowhere and goes with its descriptor.
pub(super) fn mount(image: &Path) -> Result<OwnedFd, Errno> {
    mount_file(&find(image)?, None)
}

fn find(image: &Path) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(image, flags, Mode::empty()).map(File::from)
}

fn mount_file(file: &File, label: Option<&str>) -> Result<OwnedFd, Errno> {
    use std::os::fd::AsRawFd;
    // By descriptor: the path may be longer than fsconfig(2) takes, and must be a file of ours.
    let context = fsopen("erofs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    fsconfig_set_flag(&context, "ro")?;
    if let Some(label) = label {
        fsconfig_set_string(&context, "context", label)?;
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)
}

#[cfg(test)]
mod tests;
