//! An image archive as `load` takes it: whatever is in it, the store holds whole images or nothing of it.

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use gantry_db::Db;
use gantry_images::{Config, Images, LoadEvent, RemoveOptions};

use crate::pen::Pen;
use crate::tar_apply::repaired;

static PEN: LazyLock<Pen> = LazyLock::new(Pen::new);

thread_local! {
    static IMAGES: OnceCell<Images> = const { OnceCell::new() };
}

/// The bytes are the archive.
pub fn run(data: &[u8]) {
    let archive = repaired(data);
    PEN.inside(move || IMAGES.with(|images| check(images.get_or_init(open), &archive)));
}

fn open() -> Images {
    let db = Db::open("/meta.db".as_ref()).expect("make a database");
    Images::open(Config { root: PathBuf::from("/"), elsewhere: None }, Arc::new(db))
        .expect("make a store")
}

fn check(images: &Images, archive: &[u8]) {
    let loaded = match images.load(archive, |_: LoadEvent| {}) {
        Ok(loaded) => loaded,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            images.empty_trash();
            assert_eq!(files(), Vec::<PathBuf>::new(), "a refused archive left something");
            return;
        }
    };
    let sized: Vec<_> = loaded.iter().map(|image| (image, 1)).collect();
    let recorded = images.record_all(&sized).expect("what was loaded can be recorded");
    drop(loaded);
    for image in images.list().expect("list the images").iter() {
        assert_eq!(image.diff_ids().len(), image.config.rootfs.diff_ids.len());
        images.open_blob(&image.manifest.digest).expect("its manifest is there");
        images.open_blob(image.id.digest()).expect("its configuration is there");
    }
    for one in recorded {
        // Several may be the same image.
        if images.resolve(one.image.id.as_str()).is_ok() {
            let options = RemoveOptions { force: true };
            images
                .remove(one.image.id.as_str(), options, |_| Vec::new())
                .expect("it can be removed");
        }
    }
    assert!(images.list().expect("list the images").is_empty());
    images.empty_trash();
    assert_eq!(files(), Vec::<PathBuf>::new(), "removed images left something");
}

fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = ["/blobs", "/ingest", "/trash"].map(PathBuf::from).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("list a directory") {
            let path = entry.expect("list a directory").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}
