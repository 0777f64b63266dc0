//! A store on a directory that goes with the test, and that can be opened again.

use std::path::PathBuf;
use std::sync::Arc;

use gantry_db::Db;
use gantry_types::Timestamp;
use gantry_volumes::{Config, CreateOptions, Volume, VolumeName, Volumes};

pub(crate) struct Rig {
    pub(crate) volumes: Option<Volumes>,
    temp: tempfile::TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let volumes = Some(open(temp.path().to_owned()));
        Self { volumes, temp }
    }

    /// The daemon dies and comes back.
    pub(crate) fn reopen(&mut self) {
        drop(self.volumes.take());
        self.volumes = Some(open(self.temp.path().to_owned()));
    }

    pub(crate) fn store(&self) -> &Volumes {
        self.volumes.as_ref().unwrap()
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.temp.path().join("volumes").join(below)
    }

    pub(crate) fn create(&self, name_: &str) -> Volume {
        self.create_with(name_, &[]).unwrap().0
    }

    pub(crate) fn create_with(
        &self,
        name_: &str,
        options: &[(&str, &str)],
    ) -> gantry_volumes::Result<(Volume, bool)> {
        let options = CreateOptions {
            options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            ..CreateOptions::default()
        };
        self.store().create(&name(name_), options, Timestamp::ZERO)
    }
}

pub(crate) fn open(root: PathBuf) -> Volumes {
    let db = Arc::new(Db::open(&root.join("meta.db")).unwrap());
    Volumes::open(&Config { root }, db).unwrap()
}

pub(crate) fn name(text: &str) -> VolumeName {
    text.parse().unwrap()
}

pub(crate) fn nobody(_: &VolumeName) -> Vec<String> {
    Vec::new()
}
