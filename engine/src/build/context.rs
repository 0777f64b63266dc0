//! Where the files of one build lie while it goes on: the context, what steps take apart.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_archive::{ApplyOptions, Limits, Whiteouts, decompress};
use gantry_build::Context;
use gantry_dockerfile::IgnoreFile;
use gantry_types::ContainerId;

use super::caches;
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, random};

/// The folder of all builds, below the data root.
pub(super) const FOLDER: &str = "builds";
/// The most bytes of an ignore file.
const MAX_IGNORE: u64 = 4 << 20;
/// The most bytes that are read of a Dockerfile; one more than it may have.
const MAX_DOCKERFILE: u64 = (4 << 20) + 1;

/// The files of one build; they go with it.
pub(super) struct Room {
    path: PathBuf,
}

impl Room {
    pub(super) fn make(engine: &Engine) -> Result<Self> {
        let id = ContainerId::from_bytes(random::bytes()?);
        let path = engine.settings.data_root.join(FOLDER).join(id.as_str());
        let room = Self { path };
        for folder in [room.files(), room.path.join("scratch")] {
            fs::create_dir_all(&folder).map_err(Error::file("create directory", folder))?;
        }
        Ok(room)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn files(&self) -> PathBuf {
        self.path.join("context")
    }

    fn open(&self) -> Result<OwnedFd> {
        let path = self.files();
        Ok(File::open(&path).map_err(Error::file("open", path))?.into())
    }

    /// Takes the context in.
    pub(super) fn unpack(&self, archive: impl Read + Send) -> Result<()> {
        let limits = Limits::default();
        let failed = |source| Error::Build(gantry_build::Error::Archive(source));
        let mut plain = decompress(archive, &limits).map_err(failed)?;
        let options = ApplyOptions {
            limits: limits.clone(),
            whiteouts: Whiteouts::Plain,
            ..ApplyOptions::default()
        };
        gantry_archive::apply(&mut plain, self.open()?.as_fd(), &options).map_err(failed)?;
        Ok(())
    }

    /// The Dockerfile's text and the patterns that go with it.
    pub(super) fn read(&self, dockerfile: &str) -> Result<(String, IgnoreFile)> {
        let name = if dockerfile.is_empty() { "Dockerfile" } else { dockerfile };
        let text = self
            .text(name, MAX_DOCKERFILE)?
            .ok_or_else(|| Error::invalid(format!("Cannot locate specified Dockerfile: {name}")))?;
        let own = self.text(&format!("{name}.dockerignore"), MAX_IGNORE)?;
        let patterns = match own {
            Some(own) => own,
            None => self.text(".dockerignore", MAX_IGNORE)?.unwrap_or_default(),
        };
        let ignore = IgnoreFile::parse(&patterns)
            .map_err(|error| Error::invalid(format!(".dockerignore: {error}")))?;
        Ok((text, ignore))
    }

    /// A file of the context; `None` when there is none.
    fn text(&self, path: &str, limit: u64) -> Result<Option<String>> {
        let opened = gantry_build::open_ordinary(self.open()?.as_fd(), path.as_bytes());
        let Ok(Some(file)) = opened else { return Ok(None) };
        let failed = Error::file("read", path);
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|_| Error::invalid(format!("{path} is not UTF-8")))
    }

    pub(super) fn context(&self, ignore: IgnoreFile) -> Result<Context> {
        Ok(Context { root: self.open()?, ignore })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let (Some(folder), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return;
        };
        if let Err(error) = caches::remove_tree(folder, &name.to_string_lossy()) {
            tracing::warn!(error = gantry_types::error_chain(&error), path = %self.path.display(), "cannot remove the files of a build; the next start tries again");
        }
    }
}
