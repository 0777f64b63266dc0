//! A folder that is sent, and what of it is not.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gantry_dockerfile::IgnoreFile;

use crate::error::Error;

/// See the head of this file.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) ignore: IgnoreFile,
    /// The text of the Dockerfile's own ignore file, where there is one.
    pub(super) own_patterns: Option<String>,
    /// What is sent in any case.
    kept: Vec<String>,
}

impl Folder {
    /// Reads what is left out: what the ignore file of its Dockerfile says, else the folder's own.
    pub(super) fn new(path: PathBuf, dockerfile: Option<&Path>) -> Result<Self, Error> {
        let own = dockerfile.map(|file| {
            let mut name = file.as_os_str().to_owned();
            name.push(".dockerignore");
            PathBuf::from(name)
        });
        let own_patterns = own.map_or(Ok(None), |path| patterns_in(&path))?;
        let patterns = match &own_patterns {
            Some(own) => own.clone(),
            None => patterns_in(&path.join(".dockerignore"))?.unwrap_or_default(),
        };
        let ignore = IgnoreFile::parse(&patterns)
            .map_err(|error| Error::refused(format!(".dockerignore: {error}")))?;
        Ok(Self { path, ignore, own_patterns, kept: Vec::new() })
    }

    /// The Dockerfile in it, and what says this, are sent in any case.
    pub(super) fn keeping(self, dockerfile: &str) -> Self {
        let kept = [
            dockerfile.to_owned(),
            format!("{dockerfile}.dockerignore"),
            ".dockerignore".to_owned(),
        ];
        Self { kept: kept.into(), ..self }
    }

    pub(super) fn open(&self) -> Result<File, Error> {
        File::open(&self.path).map_err(Error::file("open", &self.path))
    }

    /// The paths that are not sent.
    pub(super) fn left_out(&self) -> Result<BTreeSet<Vec<u8>>, Error> {
        let mut left_out = BTreeSet::new();
        if self.ignore.is_empty() {
            return Ok(left_out);
        }
        let is_above_kept =
            |path: &str| self.kept.iter().any(|kept| kept.starts_with(&format!("{path}/")));
        let mut pending = vec![PathBuf::new()];
        while let Some(folder) = pending.pop() {
            let place = self.path.join(&folder);
            let entries = fs::read_dir(&place).map_err(Error::file("read", &place))?;
            for entry in entries {
                let entry = entry.map_err(Error::file("read", &place))?;
                let path = folder.join(entry.file_name());
                let text = path.to_string_lossy();
                let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if self.kept.contains(&text.to_string()) {
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

/// The text of an ignore file; nothing where there is none. One that cannot be read is a failure: what it leaves out would be sent.
fn patterns_in(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Error::file("read", path)(error)),
    }
}
