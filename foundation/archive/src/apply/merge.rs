//! Entries that go where something is already: what changes about them, and which are refused.

use rustix::fs::{AtFlags, FileType, statat};

use super::{Applier, Merge};
use crate::{EntryKind, EntryPath, Error, Header, Result};

impl Merge {
    /// What the caller wants other than the archive has it.
    pub(super) fn apply_to(&self, header: &mut Header) {
        if let Some((uid, gid)) = self.owner {
            (header.uid, header.gid) = (uid, gid);
        }
        let Some((from, to)) = &self.rename else { return };
        rename(&mut header.path, from, to);
        if let EntryKind::HardLink { target } = &mut header.kind {
            rename(target, from, to);
        }
    }
}

/// Replaces the first component when it is `from`.
fn rename(path: &mut Vec<u8>, from: &[u8], to: &[u8]) {
    let Some(rest) = path.strip_prefix(from) else { return };
    if rest.is_empty() || rest.starts_with(b"/") {
        *path = [to, rest].concat();
    }
}

impl Applier<'_> {
    /// Refuses what would put a directory in the place of something else, or the other way round.
    pub(super) fn check_kind(&mut self, path: &EntryPath, header: &Header) -> Result<()> {
        if !self.options.merge.kinds_stay {
            return Ok(());
        }
        let Some(parent) = self.place.existing_parent(path)? else { return Ok(()) };
        let Ok(there) = statat(&*parent, path.name(), AtFlags::SYMLINK_NOFOLLOW) else {
            return Ok(());
        };
        let was = FileType::from_raw_mode(there.st_mode) == FileType::Directory;
        match (was, header.kind == EntryKind::Directory) {
            (true, false) => {
                Err(Error::entry(&header.path, "cannot overwrite directory with non-directory"))
            }
            (false, true) => {
                Err(Error::entry(&header.path, "cannot overwrite non-directory with directory"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use crate::{ApplyOptions, Header, Merge, Whiteouts, Writer, apply};

    #[test]
    fn goes_where_something_is() {
        let temp = tempfile::tempdir().unwrap();
        let root = File::open(temp.path()).unwrap();
        std::fs::create_dir(temp.path().join("dir")).unwrap();
        std::fs::write(temp.path().join("file"), "old").unwrap();
        let put = |header: Header, merge: Merge| {
            let mut writer = Writer::new(Vec::new());
            writer.append_header(&header).unwrap();
            let archive = writer.finish().unwrap();
            let options =
                ApplyOptions { whiteouts: Whiteouts::Plain, merge, ..ApplyOptions::default() };
            apply(&archive[..], root.as_fd(), &options).map(drop)
        };
        let stay = || Merge { kinds_stay: true, root_stays: true, ..Merge::default() };
        for (header, error) in [
            (Header::file("dir", 0o644), "cannot overwrite directory with non-directory"),
            (Header::directory("file", 0o755), "cannot overwrite non-directory with directory"),
        ] {
            assert!(put(header, stay()).unwrap_err().to_string().contains(error), "{error}");
        }
        put(Header::directory("./", 0o700), stay()).unwrap();
        put(Header::file("file", 0o600), stay()).unwrap();
        assert_eq!(std::fs::read(temp.path().join("file")).unwrap(), b"");
        let rename = Some((b"file".to_vec(), b"other".to_vec()));
        put(Header::file("file", 0o600), Merge { rename, owner: Some((7, 8)), ..stay() }).unwrap();
        let other = temp.path().join("other").metadata().unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&other), 7);
    }
}
