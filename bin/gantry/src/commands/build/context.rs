//! The context of a build: what a user means by it, and what of it is sent.

mod folder;
mod mirrored;
mod send;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use gantry_dockerfile::{IgnoreFile, Remote};

use crate::error::Error;
use folder::Folder;
pub(super) use mirrored::Mirrored;

/// The most bytes of a Dockerfile on standard input.
const MAX_DOCKERFILE: u64 = 4 << 20;
/// Bytes that tell an archive from a text.
const BEGINNING: u64 = 512;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Context {
    place: Place,
    /// The Dockerfile's text, where it is here.
    dockerfile: Option<String>,
    /// What it is called in the context.
    name: String,
    /// The Dockerfile is not in the context, and is sent beside it.
    is_beside: bool,
    /// Folders that have names, by what they are called in the archive.
    named: BTreeMap<String, Folder>,
}

/// Where the files are.
#[derive(Debug)]
enum Place {
    Folder(Folder),
    /// An archive on standard input, of which this has been read.
    Archive(Vec<u8>),
    /// There are none.
    Nowhere,
    /// An address that the daemon fetches.
    Remote(String),
}

impl Context {
    /// The context that a user means by `path`, and by `file` for the Dockerfile.
    pub(super) fn find(path: &str, file: Option<&Path>) -> Result<Self, Error> {
        let is_stdin = |path: &Path| path == Path::new("-");
        if path == "-" {
            if file.is_some_and(is_stdin) {
                return Err(Error::refused(
                    "the context and the Dockerfile cannot both come from standard input",
                ));
            }
            return Self::from_standard_input(file);
        }
        let remote = Remote::parse(path).map_err(|error| Error::refused(error.to_string()))?;
        if remote.is_some() || path.starts_with("github.com/") {
            return Self::from_address(path, file);
        }
        let directory = PathBuf::from(path);
        let failed = Error::file("prepare the context", &directory);
        if !fs::metadata(&directory).map_err(failed)?.is_dir() {
            return Err(Error::refused(format!("the context {path} is no directory")));
        }
        if file.is_some_and(is_stdin) {
            let dockerfile = dockerfile_on_stdin()?;
            let folder = Folder::new(directory, None)?;
            return Ok(Self::beside(folder, dockerfile));
        }
        let file = file.map_or_else(|| directory.join("Dockerfile"), Path::to_owned);
        let dockerfile =
            fs::read_to_string(&file).map_err(Error::file("read the Dockerfile", &file))?;
        let folder = Folder::new(directory, Some(&file))?;
        let Some(name) = name_in(&folder.path, &file)? else {
            return Ok(Self::beside(folder, dockerfile));
        };
        Ok(Self {
            place: Place::Folder(folder.keeping(&name)),
            dockerfile: Some(dockerfile),
            name,
            is_beside: false,
            named: BTreeMap::new(),
        })
    }

    /// A folder with a Dockerfile from elsewhere.
    fn beside(folder: Folder, dockerfile: String) -> Self {
        Self {
            place: Place::Folder(folder),
            dockerfile: Some(dockerfile),
            name: format!(".dockerfile.{}", unguessable()),
            is_beside: true,
            named: BTreeMap::new(),
        }
    }

    fn from_standard_input(file: Option<&Path>) -> Result<Self, Error> {
        let failed = |source| Error::System { action: "read standard input", source };
        let mut beginning = Vec::new();
        io::stdin().lock().take(BEGINNING).read_to_end(&mut beginning).map_err(failed)?;
        let named = BTreeMap::new();
        if is_archive(&beginning) {
            let name = name_of(file)?;
            let place = Place::Archive(beginning);
            return Ok(Self { place, dockerfile: None, name, is_beside: false, named });
        }
        if file.is_some() {
            return Err(Error::refused(
                "-f needs a context with files: what is on standard input is the Dockerfile",
            ));
        }
        io::stdin().lock().take(MAX_DOCKERFILE).read_to_end(&mut beginning).map_err(failed)?;
        Ok(Self {
            place: Place::Nowhere,
            dockerfile: Some(text(beginning)?),
            name: "Dockerfile".to_owned(),
            is_beside: true,
            named,
        })
    }

    fn from_address(address: &str, file: Option<&Path>) -> Result<Self, Error> {
        let named = BTreeMap::new();
        let (dockerfile, name, is_beside) = match file {
            Some(file) if file == Path::new("-") => {
                (Some(dockerfile_on_stdin()?), format!(".dockerfile.{}", unguessable()), true)
            }
            _ => (None, name_of(file)?, false),
        };
        let place = Place::Remote(address.to_owned());
        Ok(Self { place, dockerfile, name, is_beside, named })
    }

    /// Adds a folder under a name; what the daemon is told of it.
    pub(super) fn add_named(&mut self, path: &str) -> Result<String, Error> {
        let directory = PathBuf::from(path);
        let failed = Error::file("find the named context", &directory);
        if !fs::metadata(&directory).map_err(failed)?.is_dir() {
            return Err(Error::refused(format!("the named context {path} is no directory")));
        }
        if matches!(self.place, Place::Archive(_)) {
            return Err(Error::refused(
                "a folder as a named context cannot go with an archive on standard input: unpack the archive",
            ));
        }
        let name = format!(".context.{}", unguessable());
        self.named.insert(name.clone(), Folder::new(directory, None)?);
        Ok(format!("upload:{name}"))
    }

    /// The Dockerfile's text, where it is here.
    pub(super) fn dockerfile(&self) -> Option<&str> {
        self.dockerfile.as_deref()
    }

    pub(super) fn dockerfile_name(&self) -> &str {
        &self.name
    }

    /// The address that the daemon fetches, or nothing.
    pub(super) fn remote(&self) -> &str {
        match &self.place {
            Place::Remote(address) => address,
            _ => "",
        }
    }

    pub(super) fn ignore(&self) -> Option<&IgnoreFile> {
        match &self.place {
            Place::Folder(folder) => Some(&folder.ignore),
            _ => None,
        }
    }
}

fn dockerfile_on_stdin() -> Result<String, Error> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(MAX_DOCKERFILE).read_to_end(&mut bytes);
    read.map_err(|source| Error::System { action: "read the Dockerfile", source })?;
    text(bytes)
}

fn text(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| {
        Error::refused("what is on standard input is neither a Dockerfile nor an archive")
    })
}

/// The Dockerfile's name in a context that is not here.
fn name_of(file: Option<&Path>) -> Result<String, Error> {
    let Some(file) = file else { return Ok("Dockerfile".to_owned()) };
    let name = file.to_str().filter(|name| !name.starts_with('/'));
    name.map(str::to_owned).ok_or_else(|| {
        Error::refused(format!(
            "the Dockerfile {} has to be named by its path in the context, which is not on this machine's disk",
            file.display()
        ))
    })
}

/// What a Dockerfile is called in the context; `None` when it is not in it.
fn name_in(directory: &Path, file: &Path) -> Result<Option<String>, Error> {
    let real = |path: &Path| fs::canonicalize(path).map_err(Error::file("find", path));
    let (root, real_file) = (real(directory)?, real(file)?);
    Ok(real_file.strip_prefix(&root).ok().and_then(Path::to_str).map(str::to_owned))
}

/// Whether bytes begin an archive, plain or compressed.
fn is_archive(beginning: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00"];
    COMPRESSED.iter().any(|magic| beginning.starts_with(magic))
        || beginning.get(257..262) == Some(b"ustar")
}

/// A name that no file of a context has.
pub(super) fn unguessable() -> String {
    use std::hash::{BuildHasher, RandomState};
    // Each state has keys of its own from the system's random numbers.
    let number = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", number(), number())
}
