//! Whether this host can use layers that are images: tried on the store's own disk, never told by a
//! version number.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use gantry_erofs::{Entry, Kind, ROOT, Tree, Writer};
use gantry_types::Timestamp;
use rustix::fs::{Mode, OFlags, openat};

use super::erofs;
use crate::chain::{Lower, Place};
use crate::dirs::Dirs;
use crate::mounts::Held;
use crate::view;

/// The image that is tried; it lies where the next start removes it, should this process die.
const NAME: &str = "probe";
const WORD: &[u8] = b"readable";

/// Makes an image, mounts it where nobody sees it, and reads it through two overlays, one above the
/// other, as an engine inside a container does.
///
/// # Errors
/// What did not work, and why.
pub(crate) fn probe(dirs: &Dirs) -> Result<(), String> {
    let path = dirs.ingest.path_of(NAME);
    let result = write(&path).and_then(|()| read(&path, dirs));
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "cannot remove the image of a probe");
        }
        _ => {}
    }
    result
}

fn write(path: &Path) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("write an image of erofs: {error}");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
    let mut writer = Writer::new(file.map_err(|error| failed(&error))?, [1; 16]);
    let modified = Timestamp { seconds: 0, nanos: 0 };
    let metadata =
        gantry_erofs::Metadata { mode: 0o755, uid: 0, gid: 0, modified, attributes: Vec::new() };
    let mut tree = Tree::new(metadata.clone(), 1 << 16);
    let fill = || -> gantry_erofs::Result<()> {
        let mut file = writer.file(WORD.len() as u64, &metadata)?;
        file.write(0, WORD)?;
        let nid = file.finish()?;
        tree.insert(ROOT, NAME.as_bytes(), Entry::Inode { nid, kind: Kind::File })?;
        writer.finish(&tree).map(drop)
    };
    fill().map_err(|error| failed(&error))
}

fn read(path: &Path, dirs: &Dirs) -> Result<(), String> {
    let mount = erofs::mount(path)
        .map_err(|error| format!("mount an image of erofs that is a file: {error}"))?;
    let failed = |error: &dyn std::fmt::Display| format!("use such a mount in an overlay: {error}");
    let lower = Lower::from(Place::held(Held::new(mount)));
    let first = view::merged(&lower, dirs).map_err(|error| failed(&error))?;
    let name = format!("/proc/self/fd/{}", first.as_raw_fd()).into();
    let second = view::merged(&Lower::from(Place::at(name)), dirs)
        .map_err(|error| format!("use such an overlay in another: {error}"))?;
    let mut word = Vec::new();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file =
        openat(second.as_fd(), NAME, flags, Mode::empty()).map_err(|error| failed(&error))?;
    File::from(file).read_to_end(&mut word).map_err(|error| failed(&error))?;
    if word == WORD {
        return Ok(());
    }
    Err(failed(&"another content comes out"))
}
