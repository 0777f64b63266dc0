//! Where the files of one build lie while it goes on: the context, what steps take apart.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_archive::{ApplyOptions, Limits, Whiteouts, decompress_any};
use gantry_build::{Context, Hashes};
use gantry_dockerfile::IgnoreFile;
use gantry_types::ContainerId;

use super::caches;
use super::mirror::Mirror;
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, random};

/// The folder of all builds, below the data root.
pub(super) const FOLDER: &str = "builds";
/// How the name of a Dockerfile begins that is sent beside the context and is no part of it.
pub(super) const BESIDE: &str = ".dockerfile.";
/// The folder of what is known of users' files, below the data root.
const HASHES: &str = "build-contexts";
/// Of so many directories something is known.
const MAX_DIRECTORIES: usize = 64;
/// The most bytes of an ignore file.
pub(super) const MAX_IGNORE: u64 = 4 << 20;
/// The most bytes that are read of a Dockerfile; one more than it may have.
const MAX_DOCKERFILE: u64 = (4 << 20) + 1;

/// The files of one build; they go with it.
pub(super) struct Room {
    path: PathBuf,
    /// The user's own directory, where that is the context.
    directory: Option<Arc<OwnedFd>>,
    /// What that is of, where it is a copy of a folder elsewhere.
    mirror: Option<Mirror>,
}

impl Room {
    pub(super) fn make(engine: &Engine, directory: Option<Arc<OwnedFd>>) -> Result<Self> {
        let id = ContainerId::from_bytes(random::bytes()?);
        let path = engine.settings.data_root.join(FOLDER).join(id.as_str());
        let room = Self { path, directory, mirror: None };
        for folder in [room.files(), room.path.join("scratch")] {
            fs::create_dir_all(&folder).map_err(Error::file("create directory", folder))?;
        }
        Ok(room)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The context is a folder elsewhere, of which this is a copy.
    pub(super) fn use_mirror(&mut self, (mirror, root): (Mirror, OwnedFd)) {
        self.mirror = Some(mirror);
        self.directory = Some(Arc::new(root));
    }

    pub(super) fn files(&self) -> PathBuf {
        self.path.join("context")
    }

    fn open(&self) -> Result<OwnedFd> {
        let path = self.files();
        Ok(File::open(&path).map_err(Error::file("open", path))?.into())
    }

    /// Takes the context in, or what comes beside the user's own directory; there may be nothing.
    pub(super) fn unpack(&self, mut archive: impl Read + Send) -> Result<()> {
        let mut first = [0];
        let is_empty = self.directory.is_some()
            && archive.read(&mut first).map_err(Error::file("read", "the build context"))? == 0;
        if is_empty {
            return Ok(());
        }
        let begun = if self.directory.is_some() { &first[..] } else { &[] };
        let archive = begun.chain(archive);
        let limits = Limits::default();
        let failed = |source| Error::Build(gantry_build::Error::Archive(source));
        let mut plain = decompress_any(archive, &limits).map_err(failed)?;
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
        let own_name = format!("{name}.dockerignore");
        let own = self.text(&own_name, MAX_IGNORE)?;
        if name.starts_with(BESIDE) && !name.contains('/') {
            for name in [name, &own_name] {
                let path = self.files().join(name);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => removed.map_err(Error::file("remove", &path))?,
                }
            }
        }
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
        match (text_in(&self.open()?, path, limit)?, &self.directory) {
            (None, Some(directory)) => text_in(directory, path, limit),
            (sent, _) => Ok(sent),
        }
    }

    /// With `forgets`, every file is read again, whatever is known of it.
    pub(super) fn context(
        &self,
        engine: &Engine,
        ignore: IgnoreFile,
        forgets: bool,
    ) -> Result<Context> {
        let Some(directory) = &self.directory else {
            return Ok(Context { root: self.open()?, ignore, hashes: None });
        };
        let failed = || Error::file("open", "the build context");
        let root = directory.try_clone().map_err(failed())?;
        let folder = engine.settings.data_root.join(HASHES);
        let hashes = Hashes::open(root.as_fd(), &folder, gantry_sys::clock::now());
        let hashes = hashes.map_err(failed())?;
        let hashes = if forgets { hashes.forgotten() } else { hashes };
        Ok(Context { root, ignore, hashes: Some(Arc::new(hashes)) })
    }
}

/// A file of a context; `None` when there is none.
///
/// # Errors
/// It is there and cannot be read, or is too long: without what it says, too much could get into an image.
pub(super) fn text_in(root: &OwnedFd, path: &str, limit: u64) -> Result<Option<String>> {
    let opened = gantry_build::open_ordinary(root.as_fd(), path.as_bytes())?;
    let Some(file) = opened else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::file("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::invalid(format!("{path} is longer than {limit} bytes: shorten it")));
    }
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| Error::invalid(format!("{path} is not UTF-8")))
}

/// Keeps what is known of the user's files for later builds. Where that fails, they are read again.
pub(super) fn keep(engine: &Engine, hashes: &Hashes) {
    let folder = engine.settings.data_root.join(HASHES);
    if let Err(error) = hashes.save().and_then(|()| shorten(&folder)) {
        tracing::warn!(%error, "cannot keep what is known of a build context's files");
    }
}

/// Removes what is known of the directories that were not built from for longest, where there are too many.
fn shorten(folder: &Path) -> io::Result<()> {
    let mut all = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        all.push((entry.metadata()?.modified()?, entry.path()));
    }
    all.sort();
    let over = all.len().saturating_sub(MAX_DIRECTORIES);
    all.iter().take(over).try_for_each(|(_, path)| fs::remove_file(path))
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.mirror.take().map(Mirror::give_back) {
            let error = gantry_types::error_chain(&error);
            tracing::warn!(error, "cannot keep the files of a build context that was sent");
        }
        let (Some(folder), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return;
        };
        if let Err(error) = caches::remove_tree(folder, &name.to_string_lossy()) {
            tracing::warn!(error = gantry_types::error_chain(&error), path = %self.path.display(), "cannot remove the files of a build; the next start tries again");
        }
    }
}
