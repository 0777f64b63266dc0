//! Directories that this start has made, and takes back when it comes to nothing.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The new directories, parents first. Those that are empty are removed when this is dropped, unless they are kept.
#[derive(Debug, Default)]
pub(crate) struct FreshDirs(Vec<PathBuf>);

impl FreshDirs {
    /// Makes the directory and its parents with this mode; those that are there stay as they are.
    pub(crate) fn make(&mut self, path: &Path, mode: u32) -> io::Result<()> {
        // The last ancestor of a relative path is empty: the current directory, which is there.
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists())
            .collect();
        for dir in missing.into_iter().rev() {
            match std::fs::DirBuilder::new().mode(mode).create(dir) {
                Ok(()) => self.0.push(dir.to_owned()),
                // Another daemon made it in this moment.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// From now on they stay.
    pub(crate) fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for FreshDirs {
    fn drop(&mut self) {
        for dir in self.0.iter().rev() {
            // One with something in it stays: somebody else uses it too by now.
            drop(std::fs::remove_dir(dir));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_and_empty_ones_go() {
        let root = tempfile::TempDir::new().unwrap();
        let [old, used, kept] = ["old", "used", "kept"].map(|name| root.path().join(name));
        std::fs::create_dir(&old).unwrap();
        let mut dirs = FreshDirs::default();
        dirs.make(&kept.join("deep"), 0o700).unwrap();
        dirs.keep();
        dirs.make(&old, 0o700).unwrap();
        dirs.make(&old.join("a/b"), 0o700).unwrap();
        dirs.make(&used.join("a"), 0o700).unwrap();
        std::fs::write(used.join("file"), "").unwrap();
        drop(dirs);
        assert!(kept.join("deep").is_dir());
        assert!(old.is_dir() && !old.join("a").exists());
        assert!(used.join("file").is_file() && !used.join("a").exists());
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let root = tempfile::TempDir::new().unwrap();
        std::fs::write(root.path().join("file"), "").unwrap();
        assert!(FreshDirs::default().make(&root.path().join("file/below"), 0o700).is_err());
        assert!(FreshDirs::default().make(Path::new(""), 0o700).is_ok());
    }
}
