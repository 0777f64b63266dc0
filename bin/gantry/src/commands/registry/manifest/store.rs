//! Lists that are being made: docker's folder `manifests` beside its `config.json`, with a folder for each list and a file for each of
//! its manifests.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use gantry_types::ImageReference;

use super::entry::Entry;
use crate::error::Error;
use crate::session::Session;

#[derive(Debug)]
pub(super) struct Store {
    root: PathBuf,
}

impl Store {
    /// The user's.
    pub(super) fn of(session: &Session) -> Result<Self, Error> {
        Ok(Self { root: session.config_dir()?.join("manifests") })
    }

    /// The manifests of a list, in the order of their files' names; nothing where there is no such list.
    pub(super) fn list(&self, list: &ImageReference) -> Result<Option<Vec<Entry>>, Error> {
        let folder = self.folder(list);
        let files = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            files => files.map_err(Error::file("read", &folder))?,
        };
        let paths: Result<Vec<PathBuf>, _> = files.map(|file| file.map(|it| it.path())).collect();
        let mut paths = paths.map_err(Error::file("read", &folder))?;
        paths.sort();
        let mut entries = Vec::with_capacity(paths.len());
        for path in paths {
            let Some(entry) = read(&path)? else {
                return Err(Error::refused(format!(
                    "{} is of an older command line: create the list anew",
                    path.display()
                )));
            };
            entries.push(entry);
        }
        Ok(Some(entries))
    }

    /// One manifest of a list, if it is there.
    pub(super) fn get(
        &self,
        list: &ImageReference,
        manifest: &ImageReference,
    ) -> Result<Option<Entry>, Error> {
        match read(&self.file(list, manifest)) {
            Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            entry => entry,
        }
    }

    /// Makes a manifest part of a list, under the name that the user has for it.
    pub(super) fn save(
        &self,
        list: &ImageReference,
        manifest: &ImageReference,
        entry: &Entry,
    ) -> Result<(), Error> {
        let (folder, file) = (self.folder(list), self.file(list, manifest));
        fs::create_dir_all(&folder).map_err(Error::file("create", folder))?;
        fs::write(&file, entry.to_json()?).map_err(Error::file("write", file))
    }

    /// Forgets a list; whether there was one.
    pub(super) fn remove(&self, list: &ImageReference) -> Result<bool, Error> {
        let folder = self.folder(list);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true).map_err(Error::file("remove", folder)),
        }
    }

    fn folder(&self, list: &ImageReference) -> PathBuf {
        self.root.join(file_name(list))
    }

    fn file(&self, list: &ImageReference, manifest: &ImageReference) -> PathBuf {
        self.folder(list).join(file_name(manifest))
    }
}

fn read(path: &PathBuf) -> Result<Option<Entry>, Error> {
    let json = fs::read_to_string(path).map_err(Error::file("read", path))?;
    let broken =
        |error| Error::refused(format!("{} is no manifest of a list: {error}", path.display()));
    Entry::from_json(&json).map_err(broken)
}

/// As docker names them.
fn file_name(reference: &ImageReference) -> String {
    reference.to_string().replace(':', "-").replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_docker() {
        let name = |text: &str| file_name(&text.parse().unwrap());
        assert_eq!(name("localhost:5000/team/app:1"), "localhost-5000_team_app-1");
        assert_eq!(name("app"), "docker.io_library_app-latest");
    }

    #[test]
    fn what_is_broken_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store { root: folder.path().to_owned() };
        let (list, one): (ImageReference, ImageReference) =
            ("r.example/list".parse().unwrap(), "r.example/one".parse().unwrap());
        assert!(store.list(&list).unwrap().is_none() && store.get(&list, &one).unwrap().is_none());
        assert!(!store.remove(&list).unwrap());
        fs::create_dir(store.folder(&list)).unwrap();
        fs::write(store.file(&list, &one), "{").unwrap();
        for error in [store.list(&list).unwrap_err(), store.get(&list, &one).unwrap_err()] {
            assert!(error.to_string().contains("r.example_one-latest is no manifest"), "{error}");
        }
        assert!(store.remove(&list).unwrap());
    }
}
