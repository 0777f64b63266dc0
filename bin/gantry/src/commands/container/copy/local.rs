//! This machine's side: what is at a path, and who copied files belong to.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use rustix::process::{getegid, geteuid};

use super::plan::Source;
use crate::error::Error;

/// Something of this machine that is copied.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The directory that it lies in, or that it is.
    pub dir: PathBuf,
    /// Its name there; `.` for the directory itself.
    pub name: Vec<u8>,
    pub source: Source,
}

/// An absolute path, without its dots.
pub(super) fn absolute(text: &str) -> PathBuf {
    let mut full = std::env::current_dir().unwrap_or_else(|_| "/".into());
    for part in Path::new(text).components() {
        match part {
            Component::RootDir => full = PathBuf::from("/"),
            Component::ParentDir => drop(full.pop()),
            Component::Normal(name) => full.push(name),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    full
}

/// What is at a path. A link is followed when asked, or when a slash is after it.
pub(super) fn find(text: &str, follow: bool) -> Result<Found, Error> {
    let mut path = absolute(text);
    let is_content = text.ends_with("/.") || text == ".";
    let found = path.symlink_metadata().map_err(Error::file("lstat", &path))?;
    let called = path.file_name().unwrap_or(OsStr::new("/")).to_string_lossy().into_owned();
    let mut is_dir = found.is_dir();
    if found.is_symlink() && (follow || is_content || text.ends_with('/')) {
        path = path.canonicalize().map_err(Error::file("follow", &path))?;
        is_dir = path.is_dir();
    }
    if text.ends_with('/') && !is_dir {
        return Err(Error::refused(format!("{} is not a directory", path.display())));
    }
    let called = if is_content { ".".to_owned() } else { called };
    let source = Source { name: called.clone(), called, is_dir };
    let (dir, name) = match (is_content, path.parent(), path.file_name()) {
        (false, Some(parent), Some(name)) => (parent.to_owned(), name.as_encoded_bytes().to_vec()),
        _ => (path.clone(), b".".to_vec()),
    };
    Ok(Found { dir, name, source })
}

/// Who files of a container belong to here: as in the container when we may and shall, else ourselves.
pub(super) fn owner(as_there: bool) -> Option<(u32, u32)> {
    let own = (geteuid().as_raw(), getegid().as_raw());
    if as_there && own.0 == 0 { None } else { Some(own) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_when_asked() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name).to_string_lossy().into_owned();
        std::fs::create_dir(at("dir")).unwrap();
        std::os::unix::fs::symlink("dir", at("link")).unwrap();
        let plain = find(&at("link"), false).unwrap();
        assert!(!plain.source.is_dir && plain.name == b"link");
        let followed = find(&at("link"), true).unwrap();
        assert!(
            followed.source.is_dir && followed.name == b"dir" && followed.source.called == "link"
        );
        let content = find(&(at("dir") + "/."), false).unwrap();
        assert_eq!((&*content.name, &*content.source.name), (&b"."[..], "."));
        assert!(find(&at("nothing"), false).unwrap_err().to_string().starts_with("lstat"));
    }
}
