//! The lowest layer of all containers: the places at which each has something mounted. Where an image lacks them, no container has to
//! make them in a writable layer of its own.

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::dirs::Dirs;
use crate::{Error, Result};

/// The places, by their paths below the root; what is above another comes before it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Points {
    pub directories: &'static [&'static str],
    pub files: &'static [&'static str],
}

/// Makes those that are not there.
pub(crate) fn make(dirs: &Dirs, points: Points) -> Result<()> {
    let root = dirs.points();
    let made = |path: &Path, result: std::io::Result<()>| match result {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::store("make", path, error))
        }
        _ => Ok(()),
    };
    // As the runtime makes them.
    let directory = |path: &Path| std::fs::DirBuilder::new().mode(0o755).create(path);
    let file = |path: &Path| {
        let mut options = std::fs::File::options();
        options.write(true).create_new(true).mode(0o644).open(path).map(drop)
    };
    made(&root, directory(&root))?;
    for path in points.directories.iter().map(|path| root.join(path)) {
        made(&path, directory(&path))?;
    }
    for path in points.files.iter().map(|path| root.join(path)) {
        made(&path, file(&path))?;
    }
    Ok(())
}
