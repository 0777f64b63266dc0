//! Deletions in layers (image-spec, "Whiteouts"): `.wh.name` hides `name` of lower layers,
//! `.wh..wh..opq` hides all that lower layers have in its directory. Both hide lower layers only,
//! wherever in the archive they stand.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Mode, makedev, mknodat, statat};
use rustix::io::Errno;

use super::Applier;
use crate::{EntryPath, Error, Result, metadata};

const PREFIX: &[u8] = b".wh.";
const AUFS: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a path means in a layer.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An entry like any other.
    Ordinary,
    /// The directory is opaque.
    Opaque,
    /// The sibling of that name is hidden.
    Hides(Vec<u8>),
    /// Bookkeeping of aufs, which once made layers.
    Nothing,
}

/// What a path means in an image layer.
///
/// # Errors
/// It lies below a whiteout, or hides nothing that could be there.
pub fn meaning(path: &EntryPath) -> Result<Meaning> {
    let bytes = path.as_bytes();
    if bytes.starts_with(AUFS) && path.name() != OPAQUE {
        return Ok(Meaning::Nothing);
    }
    let above = path.parent();
    if !above.is_empty() && above.split(|&byte| byte == b'/').any(|name| name.starts_with(PREFIX)) {
        return Err(Error::entry(bytes, "lies below a whiteout"));
    }
    let name = path.name();
    if name == OPAQUE {
        return Ok(Meaning::Opaque);
    }
    if name.starts_with(AUFS) {
        return Ok(Meaning::Nothing);
    }
    match name.strip_prefix(PREFIX) {
        None => Ok(Meaning::Ordinary),
        Some(b"" | b"." | b"..") => Err(Error::entry(bytes, "is a whiteout of nothing")),
        Some(hidden) => Ok(Meaning::Hides(hidden.to_vec())),
    }
}

impl Applier<'_> {
    /// Hides what lower layers have in a directory.
    pub(super) fn make_opaque(&mut self, path: &EntryPath) -> Result<()> {
        if path.is_root() {
            self.root_opaque = true;
            return self.memory.opaque(EntryPath::root());
        }
        self.place.directory(path, &mut self.memory)?;
        let dir = self.place.open_for_change(path)?;
        metadata::make_opaque(dir.as_fd(), path.as_bytes())?;
        self.memory.opaque(path.clone())
    }

    /// Hides one name of lower layers.
    pub(super) fn whiteout(&mut self, path: &EntryPath) -> Result<()> {
        if self.memory.is_link(path) {
            return Ok(());
        }
        let dir = self.parent(path)?;
        let name = path.name();
        let failed = |source: Errno| Error::place("make the whiteout", path.as_bytes(), source);
        let mode = Mode::empty();
        match mknodat(&*dir, name, FileType::CharacterDevice, mode, makedev(0, 0)) {
            Ok(()) => self.memory.whiteout(path.clone()),
            Err(Errno::EXIST) => {
                // This layer has something of that name. A file hides what is below anyway, a
                // directory would be merged with it.
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                let stat = statat(&*dir, name, flags).map_err(failed)?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    self.make_opaque(path)?;
                    return self.memory.hides(path.clone());
                }
                Ok(())
            }
            Err(error) => Err(failed(error)),
        }
    }
}

/// Whether this is overlayfs's whiteout.
pub(crate) fn is_overlay_whiteout(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Result<Meaning> {
        meaning(&EntryPath::normalise(path.as_bytes()).unwrap())
    }

    #[test]
    fn tells_whiteouts_from_names() {
        assert_eq!(of("a/.wh.b").unwrap(), Meaning::Hides(b"b".to_vec()));
        assert_eq!(of(".wh.b").unwrap(), Meaning::Hides(b"b".to_vec()));
        assert_eq!(of("a/.wh..wh..opq").unwrap(), Meaning::Opaque);
        assert_eq!(of(".wh..wh..opq").unwrap(), Meaning::Opaque);
        assert_eq!(of(".wh..wh.plnk/1.2").unwrap(), Meaning::Nothing);
        assert_eq!(of("a/.wh..wh.orph").unwrap(), Meaning::Nothing);
        assert_eq!(of("a/.whatever/.w").unwrap(), Meaning::Ordinary);
        assert_eq!(of("").unwrap(), Meaning::Ordinary);
    }

    #[test]
    fn refuses_whiteouts_of_nothing_and_of_the_root() {
        for path in [".wh.", "a/.wh.", ".wh..", ".wh...", "a/.wh...", ".wh.a/b", "x/.wh.a/.wh.b"] {
            assert!(of(path).is_err(), "{path}");
        }
    }
}
