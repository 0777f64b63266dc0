//! Trees made by chance, whatever they contain, come out of the kernel as they went in.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use gantry_erofs::{Attribute, DirId, Entry, Kind, Metadata, ROOT, Tree, Writer};
use gantry_types::Timestamp;

use crate::bed::{Bed, Mounted, metadata};

const SEEDS: u64 = 25;
const STEPS: u64 = 400;

/// Numbers that are the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn metadata(&mut self) -> Metadata {
        let mut attributes = Vec::new();
        for at in 0..self.below(4).saturating_sub(1) {
            let size = usize::try_from(self.below(300)).unwrap();
            attributes.push(Attribute { name: format!("user.{at}").into(), value: vec![1; size] });
        }
        Metadata {
            mode: u32::try_from(self.below(0o10_000)).unwrap(),
            uid: u32::try_from(self.below(1 << 20)).unwrap(),
            gid: u32::try_from(self.below(1 << 32) - 1).unwrap_or(0),
            modified: Timestamp { seconds: 1_000_000_000, nanos: 5 },
            attributes,
        }
    }
}

/// What an image shall contain, by path.
#[derive(Default)]
struct Model {
    dirs: Vec<(DirId, String)>,
    files: BTreeMap<String, (Vec<u8>, Metadata)>,
}

fn step(chance: &mut Chance, writer: &mut Writer, tree: &mut Tree, model: &mut Model) {
    let at = usize::try_from(chance.below(model.dirs.len() as u64)).unwrap();
    let (dir, path) = model.dirs[at].clone();
    let length = usize::try_from(1 + chance.below(40)).unwrap();
    let name = format!("{:x}", chance.below(1 << 40)).repeat(length);
    let name = &name[..name.len().min(255)];
    if tree.directory(dir).get(name.as_bytes()).is_some() {
        return;
    }
    let path = format!("{path}{name}");
    match chance.below(10) {
        0..2 => {
            let made = tree.make(dir, name.as_bytes(), chance.metadata()).unwrap();
            model.dirs.push((made, format!("{path}/")));
        }
        2 if !model.files.is_empty() => {
            // Something goes again; what it was stays in the image, without a name.
            let gone = model.files.keys().next().unwrap().clone();
            let (above, name) = gone.rsplit_once('/').unwrap_or(("", &gone));
            let above = model.dirs.iter().find(|(_, path)| path.trim_end_matches('/') == above);
            tree.remove(above.unwrap().0, name.as_bytes()).unwrap();
            model.files.remove(&gone);
        }
        _ => {
            let most = [10, 5000, 20_000][usize::try_from(chance.below(3)).unwrap()];
            let size = chance.below(most);
            let bytes: Vec<u8> =
                (0..size).map(|_| u8::try_from(chance.below(256)).unwrap()).collect();
            let metadata = chance.metadata();
            let mut file = writer.file(size, &metadata).unwrap();
            let cut = usize::try_from(chance.below(size + 1)).unwrap();
            file.write(0, &bytes[..cut]).unwrap();
            file.write(cut as u64, &bytes[cut..]).unwrap();
            let nid = file.finish().unwrap();
            tree.insert(dir, name.as_bytes(), Entry::Inode { nid, kind: Kind::File }).unwrap();
            model.files.insert(path, (bytes, metadata));
        }
    }
}

fn compare(mounted: &Mounted, model: &Model, seed: u64) {
    for (path, (bytes, metadata)) in &model.files {
        let file = mounted.path(path);
        assert!(std::fs::read(&file).unwrap() == *bytes, "seed {seed}: {path}");
        let stat = file.metadata().unwrap();
        let found = (stat.mode() & 0o7777, stat.uid(), stat.gid());
        assert_eq!(found, (metadata.mode, metadata.uid, metadata.gid), "seed {seed}: {path}");
        for Attribute { name, value } in &metadata.attributes {
            let mut found = vec![0; 512];
            let count = rustix::fs::getxattr(&file, &name[..], &mut found[..]).unwrap();
            assert!(found[..count] == value[..], "seed {seed}: {path}");
        }
    }
    let listed: usize = model.dirs.iter().map(|(_, path)| mounted.names(path).len()).sum();
    assert_eq!(listed, model.files.len() + model.dirs.len() - 1, "seed {seed}");
}

#[test]
fn trees_made_by_chance_come_out_as_they_went_in() {
    let bed = Bed::new();
    for seed in 1..=SEEDS {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut writer, mut tree) = bed.begin();
        let mut model = Model { dirs: vec![(ROOT, String::new())], ..Model::default() };
        tree.describe(ROOT, metadata(0o755)).unwrap();
        for _ in 0..STEPS {
            step(&mut chance, &mut writer, &mut tree, &mut model);
        }
        let (mounted, finished) = bed.finish(writer, &tree);
        let count = model.files.len() + model.dirs.len();
        assert_eq!(finished.inodes, count as u64, "seed {seed}");
        compare(&mounted, &model, seed);
    }
}
