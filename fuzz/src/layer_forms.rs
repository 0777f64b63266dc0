//! A layer in both of its forms: a directory, and an image that the kernel mounts. Whatever the archive says, both take it or
//! neither, they look the same above the same lower layer, and the kernel reads every byte of the image.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use gantry_archive::{Header, Writer};
use gantry_db::Db;
use gantry_layers::{Config, Format, Layers, Points};
use gantry_types::{Digest, ErrorKind};
use sha2::{Digest as _, Sha256};

use crate::pen::Pen;
use crate::tar_apply::repaired;

static PEN: LazyLock<Pen> = LazyLock::new(Pen::on_disk);

thread_local! {
    static STORES: OnceCell<Stores> = const { OnceCell::new() };
}

struct Stores {
    directories: Layers,
    images: Layers,
    base: Digest,
}

/// All that is compared of one file.
type Looks = (u32, u32, u32, u64, u64, Vec<u8>);

/// The first byte says whether there is a layer below; the rest is the archive.
pub fn run(data: &[u8]) {
    let Some((choice, archive)) = data.split_first() else { return };
    let (choice, archive) = (*choice, repaired(archive));
    PEN.inside(move || STORES.with(|stores| check(stores.get_or_init(open), choice, &archive)));
}

fn open() -> Stores {
    let store = |place: &str, format| {
        let root = Path::new(place);
        fs::create_dir(root).expect("make a root");
        let db = Db::open(&root.join("meta.db")).expect("make a database");
        Layers::open(
            Config {
                root: root.to_owned(),
                format: Some(format),
                points: Points::default(),
                label: None,
            },
            Arc::new(db),
        )
        .expect("make a store")
    };
    let (directories, images) =
        (store("/directories", Format::Directory), store("/images", Format::Erofs));
    let base = base();
    let digest = digest(&base);
    for layers in [&directories, &images] {
        layers.apply(&digest, &[], &base[..]).expect("apply the lower layer");
    }
    Stores { directories, images, base: digest }
}

/// What archives can hide, link to and write into.
fn base() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    writer.append_header(&Header::directory("d", 0o755)).expect("write an archive");
    for path in ["d/f", "f", "d/g"] {
        writer.append_bytes(&Header::file(path, 0o644), b"lower").expect("write an archive");
    }
    writer.finish().expect("write an archive")
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}

fn check(stores: &Stores, choice: u8, archive: &[u8]) {
    let Stores { directories, images, base } = stores;
    // Compressed ones are another target's.
    let id = digest(archive);
    if id == *base {
        return;
    }
    let parents = if choice & 1 == 0 { Vec::new() } else { vec![base.clone()] };
    let apply = |layers: &Layers| layers.apply(&id, &parents, archive);
    let chain: Vec<Digest> = parents.iter().chain([&id]).cloned().collect();
    match (apply(directories), apply(images)) {
        (Ok(left), Ok(right)) => {
            assert_eq!(left, right, "they differ in what they take");
            let [left, right] = [directories, images]
                .map(|layers| layers.look_at_chain(&chain).map(|view| all(&view)));
            let left = left.expect("the directory can be seen");
            let right = right.expect("the image can be mounted");
            for (path, looks) in &left {
                assert_eq!(Some(looks), right.get(path), "{} looks different", path.display());
            }
            assert_eq!(left.len(), right.len(), "the image has more");
        }
        (Err(left), Err(right)) => {
            assert!(!left.to_string().is_empty() && !right.to_string().is_empty());
        }
        (Ok(_), Err(error)) => panic!("the image is refused, the directory is not: {error:?}"),
        // What the disk itself cannot do.
        (Err(error), Ok(_)) => assert!(
            matches!(
                error.kind(),
                ErrorKind::Internal | ErrorKind::StorageFull | ErrorKind::InvalidParameter
            ),
            "the directory is refused, the image is not: {error:?}"
        ),
    }
    let live = HashSet::from([vec![base.clone()]]);
    for layers in [directories, images] {
        layers.collect(&live).expect("the layer can be removed");
        layers.empty_trash().expect("and is gone");
        assert!(layers.find(&id, &parents).expect("look for it").is_none());
    }
}

/// Everything below a root by path.
fn all(root: &OwnedFd) -> BTreeMap<PathBuf, Looks> {
    let top = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
    let mut found = BTreeMap::new();
    let mut going = vec![PathBuf::new()];
    while let Some(at) = going.pop() {
        let Ok(entries) = fs::read_dir(top.join(&at)) else { continue };
        for entry in entries {
            let path = at.join(entry.expect("list a directory").file_name());
            // Overlayfs lists a whiteout in a directory that only one layer has, and finds nothing there.
            let Ok(stat) = fs::symlink_metadata(top.join(&path)) else { continue };
            if stat.is_dir() {
                going.push(path.clone());
            }
            found.insert(path.clone(), looks(&top.join(&path), &stat));
        }
    }
    found
}

fn looks(path: &Path, stat: &fs::Metadata) -> Looks {
    let mut content = Vec::new();
    if stat.is_symlink() {
        content = fs::read_link(path).expect("read a link").as_os_str().as_bytes().to_vec();
    } else if stat.is_file() && stat.size() < 1 << 22 {
        let mut file = File::open(path).expect("open a file");
        file.read_to_end(&mut content).expect("read a file");
    }
    let size = if stat.is_dir() { 0 } else { stat.size() + (stat.nlink() << 40) };
    (stat.mode(), stat.uid(), stat.gid(), size, stat.rdev(), content)
}
