//! The context of a build: which files are sent, and sending them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use gantry_archive::{CreateOptions, Header, Whiteouts, Writer};
use gantry_client::Upload;
use gantry_dockerfile::IgnoreFile;
use tokio::net::unix::pipe;

use crate::error::Error;

const BUFFER_BYTES: usize = 256 << 10;
/// The most bytes of a Dockerfile on standard input.
const MAX_DOCKERFILE: u64 = 4 << 20;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Context {
    /// None where the Dockerfile alone is the context.
    directory: Option<PathBuf>,
    dockerfile: String,
    /// In the context.
    name: String,
    ignore: IgnoreFile,
}

/// The thread that writes the archive.
pub(super) struct Sending {
    thread: JoinHandle<Result<(), gantry_archive::Error>>,
}

impl Context {
    /// The context that a user means by `path`, and by `file` for the Dockerfile.
    pub(super) fn find(path: &str, file: Option<&Path>) -> Result<Self, Error> {
        if path == "-" {
            return Self::from_standard_input();
        }
        let not_there_yet = ["http://", "https://", "git@", "git://", "ssh://"];
        if not_there_yet.iter().any(|start| path.starts_with(start)) {
            return Err(Error::refused(
                "a context at an address is not there yet in this version of Gantry: fetch it and build the directory",
            ));
        }
        let directory = PathBuf::from(path);
        let failed = Error::file("prepare the context", &directory);
        if !fs::metadata(&directory).map_err(failed)?.is_dir() {
            return Err(Error::refused(format!("the context {path} is no directory")));
        }
        let file = file.map_or_else(|| directory.join("Dockerfile"), Path::to_owned);
        let dockerfile =
            fs::read_to_string(&file).map_err(Error::file("read the Dockerfile", &file))?;
        let name = name_in(&directory, &file)?;
        let own = directory.join(format!("{name}.dockerignore"));
        let shared = directory.join(".dockerignore");
        let patterns = [own, shared].into_iter().find_map(|path| fs::read_to_string(path).ok());
        let ignore = IgnoreFile::parse(&patterns.unwrap_or_default())
            .map_err(|error| Error::refused(format!(".dockerignore: {error}")))?;
        Ok(Self { directory: Some(directory), dockerfile, name, ignore })
    }

    fn from_standard_input() -> Result<Self, Error> {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(MAX_DOCKERFILE).read_to_end(&mut bytes);
        read.map_err(|source| Error::System { action: "read the Dockerfile", source })?;
        let dockerfile = String::from_utf8(bytes).map_err(|_| {
            Error::refused("an archive on standard input is not there yet in this version of Gantry: a Dockerfile is")
        })?;
        let name = "Dockerfile".to_owned();
        Ok(Self { directory: None, dockerfile, name, ignore: IgnoreFile::default() })
    }

    pub(super) fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    pub(super) fn dockerfile_name(&self) -> &str {
        &self.name
    }

    pub(super) fn ignore(&self) -> &IgnoreFile {
        &self.ignore
    }

    /// Writes the archive while it is sent.
    pub(super) fn send(self) -> Result<(Upload, Sending), Error> {
        let system = |source| Error::System { action: "make a pipe", source };
        let (reader, writer) = io::pipe().map_err(system)?;
        let without = self.left_out()?;
        let opened = self
            .directory
            .as_ref()
            .map(|directory| File::open(directory).map_err(Error::file("open", directory)));
        let directory = opened.transpose()?;
        let thread = std::thread::spawn(move || {
            let writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
            let Some(directory) = directory else {
                let mut writer = Writer::new(writer);
                let header = Header::file(&self.name, 0o644);
                writer.append_bytes(&header, self.dockerfile.as_bytes())?;
                return writer.finish().map(drop);
            };
            let options = CreateOptions { whiteouts: Whiteouts::Plain };
            gantry_archive::create_without(directory.as_fd(), writer, options, &without).map(drop)
        });
        let reader = pipe::Receiver::from_owned_fd(reader.into()).map_err(system)?;
        Ok((Upload::stream(reader), Sending { thread }))
    }

    /// The paths that are not sent. The Dockerfile and what says this are sent in any case.
    fn left_out(&self) -> Result<BTreeSet<Vec<u8>>, Error> {
        let mut left_out = BTreeSet::new();
        let Some(directory) = self.directory.as_ref().filter(|_| !self.ignore.is_empty()) else {
            return Ok(left_out);
        };
        let kept =
            [self.name.clone(), format!("{}.dockerignore", self.name), ".dockerignore".to_owned()];
        let is_above_kept =
            |path: &str| kept.iter().any(|kept| kept.starts_with(&format!("{path}/")));
        let mut pending = vec![PathBuf::new()];
        while let Some(folder) = pending.pop() {
            let place = directory.join(&folder);
            let entries = fs::read_dir(&place).map_err(Error::file("read", &place))?;
            for entry in entries {
                let entry = entry.map_err(Error::file("read", &place))?;
                let path = folder.join(entry.file_name());
                let text = path.to_string_lossy();
                let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if kept.contains(&text.to_string()) {
                    continue;
                }
                let is_out = self.ignore.excludes(&text);
                let looks_into = is_directory
                    && (!is_out || self.ignore.may_take_back_below(&text) || is_above_kept(&text));
                if looks_into {
                    pending.push(path);
                } else if is_out {
                    left_out.insert(path.as_os_str().as_bytes().to_vec());
                }
            }
        }
        Ok(left_out)
    }
}

impl Sending {
    /// Waits for it. What it failed with matters unless the daemon has refused before.
    pub(super) fn finish(self, accepted: bool) -> Result<(), Error> {
        let result = match self.thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        match result {
            Err(error) if accepted || !matches!(error, gantry_archive::Error::Write { .. }) => {
                Err(Error::refused(gantry_types::error_chain(&error)))
            }
            _ => Ok(()),
        }
    }
}

/// What a Dockerfile is called in the context.
fn name_in(directory: &Path, file: &Path) -> Result<String, Error> {
    let real = |path: &Path| fs::canonicalize(path).map_err(Error::file("find", path));
    let (root, real_file) = (real(directory)?, real(file)?);
    let name = real_file.strip_prefix(&root).ok().and_then(Path::to_str);
    name.map(str::to_owned).ok_or_else(|| {
        Error::refused(format!(
            "the Dockerfile {} has to lie in the context {} in this version of Gantry",
            file.display(),
            directory.display()
        ))
    })
}
