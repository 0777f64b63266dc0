//! A store in a temporary directory, layers made on the spot, and recipes mounted for looking.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_archive::{EntryKind, Header, Writer};
use gantry_db::Db;
use gantry_layers::{Config, Format, Layers, Points, RootfsMount};
use gantry_types::Digest;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};
use sha2::Digest as _;

pub(crate) struct Scene {
    temp: tempfile::TempDir,
    pub(crate) format: Format,
}

/// Makes each of these functions a test of layers that are directories, and of layers that are images.
macro_rules! in_both_formats {
    [$($name:ident),+ $(,)?] => {
        mod directory {
            $(#[test]
            fn $name() {
                super::$name(&crate::scene::Scene::new(gantry_layers::Format::Directory));
            })+
        }
        mod erofs {
            $(#[test]
            fn $name() {
                super::$name(&crate::scene::Scene::new(gantry_layers::Format::Erofs));
            })+
        }
    };
}
pub(crate) use in_both_formats;

/// A layer: diffID and archive.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) diff_id: Digest,
    pub(crate) tar: Vec<u8>,
}

impl Scene {
    pub(crate) fn new(format: Format) -> Self {
        Self { temp: tempfile::tempdir().unwrap(), format }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    pub(crate) fn open(&self) -> Layers {
        open(self.temp.path(), self.format)
    }

    pub(crate) fn open_with(&self, points: Points) -> Layers {
        open_with(self.temp.path(), self.format, points)
    }

    /// Everything in the store that is no layer in its place.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let dirs = ["layers/ingest", "layers/trash", "rw"].map(|dir| self.path(dir));
        let items = dirs.iter().flat_map(|dir| std::fs::read_dir(dir).unwrap());
        items.map(|item| item.unwrap().path()).collect()
    }

    /// The numbered directories.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let items = std::fs::read_dir(self.path("layers")).unwrap();
        let names = items.map(|item| item.unwrap().file_name());
        let mut numbers: Vec<u64> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }
}

pub(crate) fn open(root: &Path, format: Format) -> Layers {
    open_with(root, format, Points::default())
}

fn open_with(root: &Path, format: Format, points: Points) -> Layers {
    let db = Arc::new(Db::open(&root.join("meta.db")).unwrap());
    Layers::open(Config { root: root.to_owned(), format: Some(format), points, label: None }, db)
        .unwrap()
}

pub(crate) fn layer(entries: &[(Header, &str)]) -> Layer {
    let mut writer = Writer::new(Vec::new());
    for (header, data) in entries {
        match header.kind {
            EntryKind::File => writer.append_bytes(header, data.as_bytes()).unwrap(),
            _ => writer.append_header(header).unwrap(),
        }
    }
    let tar = writer.finish().unwrap();
    Layer { diff_id: Digest::sha256(sha2::Sha256::digest(&tar).into()), tar }
}

pub(crate) fn file(path: &str) -> Header {
    Header::file(path, 0o644)
}

pub(crate) fn dir(path: &str) -> Header {
    Header::directory(path, 0o755)
}

/// Applies a chain; its diffIDs.
pub(crate) fn apply_all(layers: &Layers, chain: &[Layer]) -> Vec<Digest> {
    let diff_ids: Vec<Digest> = chain.iter().map(|layer| layer.diff_id.clone()).collect();
    for (depth, layer) in chain.iter().enumerate() {
        layers.apply(&layer.diff_id, &diff_ids[..depth], &layer.tar[..]).unwrap();
    }
    diff_ids
}

/// A mounted recipe; it is nowhere in the file tree and goes with this value.
pub(crate) struct Mounted {
    root: OwnedFd,
}

impl Mounted {
    pub(crate) fn new(recipe: &[RootfsMount]) -> Self {
        let [mount] = recipe else { panic!("{recipe:?}") };
        let context = fsopen(&*mount.kind, FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        for option in &mount.options {
            match option.split_once('=') {
                Some(("lowerdir", list)) => {
                    for path in list.split(':') {
                        fsconfig_set_string(&context, "lowerdir+", path).unwrap();
                    }
                }
                Some((key, value)) => fsconfig_set_string(&context, key, value).unwrap(),
                None => fsconfig_set_flag(&context, &**option).unwrap(),
            }
        }
        fsconfig_create(&context).unwrap();
        let flags = FsMountFlags::FSMOUNT_CLOEXEC;
        Self { root: fsmount(&context, flags, MountAttrFlags::empty()).unwrap() }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        format!("/proc/self/fd/{}/{path}", self.root.as_raw_fd()).into()
    }

    pub(crate) fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        let items = std::fs::read_dir(self.path(path)).unwrap();
        let mut names: Vec<String> =
            items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn stat(&self, path: &str) -> std::fs::Metadata {
        File::open(self.path(path)).unwrap().metadata().unwrap()
    }
}
