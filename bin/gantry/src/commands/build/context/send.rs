//! Sending a context: one archive of the folder, the Dockerfile beside it, and the folders with names.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;

use gantry_archive::{CreateOptions, Header, Joined, Whiteouts, Writer};
use gantry_client::Upload;

use super::{Context, Place};
use crate::commands::archive::Writing;
use crate::error::Error;

pub(super) const BUFFER_BYTES: usize = 256 << 10;

/// A folder that the daemon reads itself; it is open until the daemon has it.
pub(in crate::commands::build) struct InPlace {
    /// What the daemon finds it by.
    pub(in crate::commands::build) name: String,
    _root: File,
}

/// A folder that is open, where it comes in the archive, and what of it does not.
struct Tree {
    root: File,
    path: Vec<u8>,
    without: BTreeSet<Vec<u8>>,
}

impl Context {
    /// The folder, open for a daemon that reads it in place.
    pub(in crate::commands::build) fn in_place(&self) -> Result<Option<InPlace>, Error> {
        let Place::Folder(folder) = &self.place else { return Ok(None) };
        let root = folder.open()?;
        let metadata = root.metadata().map_err(Error::file("look at", &folder.path))?;
        let name = format!("{}:{}:{}", root.as_raw_fd(), metadata.dev(), metadata.ino());
        Ok(Some(InPlace { name, _root: root }))
    }

    /// Writes the archive while it is sent; of a folder that is read in place what comes beside it, which may be nothing.
    pub(in crate::commands::build) fn send(
        &self,
        in_place: bool,
    ) -> Result<(Upload, Option<Writing>), Error> {
        if in_place && self.named.is_empty() && !self.is_beside {
            return Ok((Upload::empty(), None));
        }
        let mut trees = Vec::new();
        for (path, folder) in &self.named {
            let path = path.clone().into_bytes();
            let under = |inner: &Vec<u8>| [&path[..], b"/", inner].concat();
            let without = folder.left_out()?.iter().map(under).collect();
            trees.push(Tree { root: folder.open()?, path, without });
        }
        if let Place::Folder(folder) = &self.place
            && !in_place
        {
            let (root, without) = (folder.open()?, folder.left_out()?);
            trees.push(Tree { root, path: Vec::new(), without });
        }
        if let Place::Archive(beginning) = &self.place {
            let beginning = beginning.clone();
            let (upload, _) = Writing::begin(move |writer| pass_on(&beginning, writer))?;
            // Nobody waits for it: the input's next bytes may never come, and the daemon may not want them.
            return Ok((upload, None));
        }
        let beside = self.beside_it();
        let (upload, writing) = Writing::begin(move |writer| {
            write(&beside, &trees, BufWriter::with_capacity(BUFFER_BYTES, writer))
        })?;
        Ok((upload, Some(writing)))
    }

    /// A Dockerfile that is not in the context, and what it says is left out, with their names.
    fn beside_it(&self) -> Vec<(String, String)> {
        let dockerfile = self.dockerfile.clone().filter(|_| self.is_beside);
        let mut files: Vec<_> =
            dockerfile.into_iter().map(|text| (self.name.clone(), text)).collect();
        if let (Place::Folder(folder), false) = (&self.place, files.is_empty()) {
            let own = folder.own_patterns.clone();
            files.extend(own.map(|text| (format!("{}.dockerignore", self.name), text)));
        }
        files
    }
}

fn write(
    beside: &[(String, String)],
    trees: &[Tree],
    writer: impl Write,
) -> Result<(), gantry_archive::Error> {
    let mut joined = Joined::new(writer);
    if !beside.is_empty() {
        let mut writer = Writer::new(&mut joined);
        for (name, text) in beside {
            writer.append_bytes(&Header::file(name.as_str(), 0o644), text.as_bytes())?;
        }
        writer.finish()?;
    }
    for tree in trees {
        let options = CreateOptions { whiteouts: Whiteouts::Plain, ..CreateOptions::default() };
        let place = (tree.root.as_fd(), &tree.path[..]);
        joined.begin();
        gantry_archive::create_at(place, &mut joined, options, &tree.without)?;
    }
    if joined.is_empty() {
        Writer::new(&mut joined).finish()?;
    }
    joined.end().map_err(|source| gantry_archive::Error::Write { source })
}

/// The archive that somebody else has made, as it comes.
fn pass_on(beginning: &[u8], mut writer: impl Write) -> Result<(), gantry_archive::Error> {
    let failed = |source| gantry_archive::Error::Write { source };
    writer.write_all(beginning).map_err(failed)?;
    io::copy(&mut io::stdin().lock(), &mut writer).map_err(failed)?;
    writer.flush().map_err(failed)
}
