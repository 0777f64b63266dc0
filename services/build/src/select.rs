//! Which files of a tree the sources of a step mean.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use gantry_dockerfile::IgnoreFile;

use crate::hashes::Hashes;
use crate::place::{self, Place};
use crate::walk::{join, names_of};
use crate::{Error, Result};

/// A tree that files come from.
#[derive(Debug, Clone)]
pub(crate) struct Tree<'a> {
    /// Its root.
    pub(crate) root: Arc<OwnedFd>,
    /// What of it does not count.
    pub(crate) ignore: Option<&'a IgnoreFile>,
    /// What is known of its files, where somebody may be changing them.
    pub(crate) hashes: Option<Arc<Hashes>>,
    /// What users call it.
    pub(crate) name: String,
}

/// A file or directory that a source means.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Where it is.
    pub(crate) place: Place,
    /// The name that it is meant by.
    pub(crate) name: Vec<u8>,
    /// The path that it is meant by, from the root.
    pub(crate) path: Vec<u8>,
}

impl Tree<'_> {
    /// Whether a path does not count.
    pub(crate) fn leaves_out(&self, path: &[u8]) -> bool {
        self.ignore.is_some_and(|ignore| ignore.excludes(&String::from_utf8_lossy(path)))
    }

    /// What a source means: one thing, or all that a pattern fits.
    pub(crate) fn find(&self, source: &str) -> Result<Vec<Found>> {
        let names = cleaned(source);
        let mut paths: Vec<Vec<u8>> = vec![Vec::new()];
        let is_pattern = names.iter().any(|name| has_wildcard(name));
        for name in &names {
            if has_wildcard(name) {
                paths = self.matching(&paths, name)?;
            } else {
                paths = paths.iter().map(|path| join(path, &unescaped(name))).collect();
            }
        }
        let mut found = Vec::new();
        for path in paths {
            let place = place::resolve(self.root.as_fd(), &path)?;
            // Where a link leads to something else, that has to count as well.
            let is_in = path.is_empty() || !self.is_out(&path) && !self.is_out(&place.path);
            if place.stat.is_some() && is_in {
                let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
                found.push(Found { place, name, path });
            }
        }
        if found.is_empty() {
            let hint = if !is_pattern && self.is_out(&names.join(&b'/')) {
                ": .dockerignore leaves it out"
            } else {
                ""
            };
            let path = format!("/{}", String::from_utf8_lossy(&names.join(&b'/')));
            return Err(Error::NotFound { path, place: self.name.clone(), hint });
        }
        Ok(found)
    }

    /// Whether nothing of it counts: a directory that is left out may have something that is taken back in.
    fn is_out(&self, path: &[u8]) -> bool {
        let text = String::from_utf8_lossy(path);
        let is_in = |ignore: &IgnoreFile| ignore.may_take_back_below(&text);
        self.leaves_out(path) && !self.ignore.is_some_and(is_in)
    }

    fn matching(&self, directories: &[Vec<u8>], pattern: &[u8]) -> Result<Vec<Vec<u8>>> {
        let pattern = String::from_utf8_lossy(pattern).into_owned();
        // Behind the dot nothing at the beginning means what it means in an ignore file.
        let fits = IgnoreFile::of_patterns([format!("./{pattern}").as_str()].into_iter())?;
        let mut matching = Vec::new();
        for directory in directories {
            let place = place::resolve(self.root.as_fd(), directory)?;
            if !place.is_directory() {
                continue;
            }
            for name in names_of(self.root.as_fd(), &place.path)? {
                if fits.excludes(&String::from_utf8_lossy(&name)) {
                    matching.push(join(directory, &name));
                }
            }
        }
        Ok(matching)
    }
}

/// The names of a source; `..` stays in the root.
fn cleaned(source: &str) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    for name in place::names(source.as_bytes()) {
        if name == b".." {
            names.pop();
        } else {
            names.push(name.to_vec());
        }
    }
    names
}

fn has_wildcard(name: &[u8]) -> bool {
    name.iter().any(|byte| b"*?[".contains(byte))
}

fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        plain.extend(if *byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    plain
}
