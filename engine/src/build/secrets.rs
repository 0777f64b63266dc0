//! Secrets of a command of a build, as files that it sees: below the exec root, which is memory and gone after a power cut, for as
//! long as the command runs.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use gantry_build::Secret;
use gantry_types::{ContainerId, error_chain};

use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// The folder of all commands' secrets, below the exec root.
const FOLDER: &str = "build-secrets";

/// The secrets of one command; they go with it.
pub(super) struct Secrets {
    folder: PathBuf,
}

/// Where the secrets of a command lie.
pub(super) fn folder(engine: &Engine, id: &ContainerId) -> PathBuf {
    engine.settings.exec_root.join(FOLDER).join(id.as_str())
}

/// Writes one, in a folder that nobody else can enter.
pub(super) fn write(
    place: &Path,
    secret: &Secret,
    (uid, gid, mode): (u32, u32, u32),
) -> Result<()> {
    let failed = || Error::file("write", place);
    if let Some(folder) = place.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder).map_err(failed())?;
    }
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(place).map_err(failed())?;
    file.write_all(secret.bytes()).map_err(failed())?;
    chown(place, Some(uid), Some(gid)).map_err(failed())?;
    fs::set_permissions(place, PermissionsExt::from_mode(mode)).map_err(failed())
}

/// After a start: those of builds that died go.
pub(super) fn reconcile(engine: &Engine) -> Result<()> {
    let folder = engine.settings.exec_root.join(FOLDER);
    remove(&folder);
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(Error::file("create directory", folder))
}

impl Secrets {
    /// Those of this command, written by then or not.
    pub(super) fn of(engine: &Engine, id: &ContainerId) -> Self {
        Self { folder: folder(engine, id) }
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(error = error_chain(&error), path = %folder.display(), "cannot remove the secrets of a build; the next start tries again");
    }
}
