//! An image store in a folder of its own, and what is in that folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_db::Db;
use gantry_images::{Config, Error, Image, Images, LoadEvent, Loaded};

/// See the head of this file.
pub(crate) struct Rig {
    folder: tempfile::TempDir,
    images: Option<Images>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let images = Some(open(folder.path()));
        Self { folder, images }
    }

    pub(crate) fn images(&self) -> &Images {
        self.images.as_ref().unwrap()
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the store and opens it again, as a daemon's restart does.
    pub(crate) fn reopen(&mut self) {
        self.images = None;
        self.images = Some(open(self.folder.path()));
    }

    /// Ends the store.
    pub(crate) fn close(&mut self) {
        self.images = None;
    }

    pub(crate) fn load(&self, archive: &[u8]) -> Result<Vec<Loaded>, Error> {
        self.images().load(archive, |_: LoadEvent| {})
    }

    /// Loads and records, as the engine does.
    pub(crate) fn add(&self, archive: &[u8]) -> Vec<Image> {
        let loaded = self.load(archive).unwrap();
        loaded.iter().map(|loaded| self.images().record(loaded, 1234).unwrap().image).collect()
    }

    /// The error of an archive that must be refused, and that nothing is left of it.
    pub(crate) fn refusal(&self, archive: &[u8]) -> Error {
        let before = self.files();
        let error = self.load(archive).unwrap_err();
        assert_eq!(self.files(), before, "{error} left something behind");
        error
    }

    /// Every blob and every file on its way in or out, relative to the root, when what was removed is gone.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        if let Some(images) = &self.images {
            images.empty_trash();
        }
        files(self.folder.path())
    }
}

pub(crate) fn open(root: &Path) -> Images {
    let db = Arc::new(Db::open(&root.join("meta.db")).unwrap());
    Images::open(Config { root: root.to_owned(), elsewhere: None }, db).unwrap()
}

pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = ["blobs", "ingest", "trash"].map(|name| root.join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
