//! The archive of a layer, put together from a split and an image that a disk has changed, or that somebody else wrote: what comes out
//! is as long as the split says or an error, wherever the reading begins, and only what has the layer's digest is ever taken for its
//! archive.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use gantry_archive::{Compression, Header, Writer, compress};
use gantry_db::Db;
use gantry_layers::{Archives, Config, Format, Layers, Points, Splitting};
use gantry_types::Digest;
use sha2::{Digest as _, Sha256};

use crate::pen::Pen;

static PEN: LazyLock<Pen> = LazyLock::new(Pen::on_disk);

thread_local! {
    static STORE: OnceCell<Store> = const { OnceCell::new() };
}

/// What a split begins with, before the archive's length.
const MARK: &[u8; 8] = b"gsplit\0\x01";
const SPLIT: &str = "/store/layers/1/layer.split";
const IMAGE: &str = "/store/layers/1/layer.erofs";

/// Bytes that a split may make of its own: more is left unread.
const MOST: usize = 16 << 20;

struct Store {
    layers: Layers,
    archive: Vec<u8>,
    id: Digest,
    split: Vec<u8>,
    image: Vec<u8>,
}

/// The first byte says what the rest is: a split's file; its length and its records, as they are before they are compressed; or
/// changes of the image, each of a place (three bytes) and what changes there.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let (choice, rest) = (*choice, rest.to_vec());
    PEN.inside(move || STORE.with(|store| check(store.get_or_init(open), choice, &rest)));
}

fn open() -> Store {
    let root = Path::new("/store");
    fs::create_dir(root).expect("make a root");
    let db = Arc::new(Db::open(&root.join("meta.db")).expect("make a database"));
    let config = Config {
        root: root.to_owned(),
        format: Some(Format::Erofs),
        points: Points::default(),
        label: None,
    };
    let layers = Layers::open(config, db).expect("make a store");
    let mut writer = Writer::new(Vec::new());
    let mut add = |path: String, bytes: &[u8]| {
        writer.append_bytes(&Header::file(&*path, 0o644), bytes).expect("write an archive");
    };
    for number in 0..100_u8 {
        let length = usize::from(number) * 37 % 5000;
        let content: Vec<u8> =
            (0..=250).cycle().take(length).map(|byte: u8| byte ^ number).collect();
        add(format!("d/{number:03}"), &content);
    }
    add("large".to_owned(), &vec![7; 50_000]);
    let archive = writer.finish().expect("write an archive");
    let id = Digest::sha256(Sha256::digest(&archive).into());
    layers.apply(&id, &[], &archive[..]).expect("apply the layer");
    layers.sync().expect("flush it");
    assert_eq!(layers.split(&id, &file(&archive)).expect("split it"), Splitting::Done);
    let [split, image] = [SPLIT, IMAGE].map(|path| fs::read(path).expect("read it"));
    Store { layers, archive, id, split, image }
}

fn file(bytes: &[u8]) -> File {
    let path = "/archive";
    fs::write(path, bytes).expect("write a file");
    File::open(path).expect("open it")
}

fn check(store: &Store, choice: u8, data: &[u8]) {
    match choice % 3 {
        0 => fs::write(SPLIT, data).expect("write a split"),
        1 => fs::write(SPLIT, told(data)).expect("write a split"),
        _ => change(store, data),
    }
    let archives = store.layers.archives();
    let whole = read(&archives, &store.id, 0);
    let length = archives.size_bytes(&store.id);
    if let Some(bytes) = whole.filter(|bytes| bytes.len() < MOST) {
        assert_eq!(Some(bytes.len() as u64), length, "it is as long as it says");
        for from in [bytes.len().min(1), bytes.len() / 2, bytes.len()] {
            let rest = read(&archives, &store.id, from).expect("all of it can be read");
            assert!(bytes[from..] == rest, "from {from}");
        }
    }
    drop(read(&archives, &store.id, usize::from(choice) * 8));
    drop(store.layers.check().expect("look at it"));
    drop(store.layers.check_content(|| true));
    let again = store.layers.split(&store.id, &file(&store.archive));
    if matches!(again, Ok(Splitting::Done | Splitting::WasDone)) {
        let bytes = read(&archives, &store.id, 0);
        assert!(bytes.as_ref() == Some(&store.archive), "what is taken for the archive is it");
    }
    fs::write(IMAGE, &store.image).expect("put the image back");
    fs::write(SPLIT, &store.split).expect("put the split back");
}

/// The file of a split with these records.
fn told(data: &[u8]) -> Vec<u8> {
    let (length, records) = data.split_at(data.len().min(8));
    let mut split = MARK.to_vec();
    split.extend_from_slice(length);
    split.resize(16, 0);
    compress(Compression::Zstd, records, &mut split, 1).expect("compress records");
    split
}

/// The image with some bytes changed, behind the same split.
fn change(store: &Store, data: &[u8]) {
    let mut image = store.image.clone();
    for change in data.chunks_exact(4) {
        let at = u32::from_be_bytes([0, change[0], change[1], change[2]]);
        let at = usize::try_from(at).unwrap_or(0) % image.len();
        image[at] ^= change[3];
    }
    fs::write(IMAGE, image).expect("write an image");
}

/// All from a byte on, when it can be read.
fn read(archives: &Archives, id: &Digest, from: usize) -> Option<Vec<u8>> {
    let mut archive = archives.open(id).ok()??;
    archive.skip(from as u64).ok()?;
    let mut bytes = Vec::new();
    archive.take(MOST as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
