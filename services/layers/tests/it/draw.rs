//! Layers drawn by chance in a small world of names, so that what they say meets: the same numbers draw the same layers.

use std::collections::BTreeMap;

use gantry_archive::{EntryKind, Header, Writer, Xattr};
use gantry_types::Digest;
use sha2::Digest as _;

use crate::scene::Layer;

/// The generator `SplitMix64` of Steele, Lea and Flood (2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`.
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(sides).unwrap()).unwrap()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        // Sizes around a block as often as others.
        let length = match self.below(4) {
            0 => self.below(64),
            1 => 4096 * self.below(4) + self.below(3),
            _ => self.below(most),
        };
        let word = self.next().to_le_bytes();
        (0..length).map(|at| word[at % 8] ^ u8::try_from(at / 8 % 256).unwrap()).collect()
    }
}

/// What is at each path: its looks, or nothing for a directory.
pub(crate) type World = BTreeMap<String, Option<Header>>;

/// A layer above such a world, which becomes what is there with it: directories that are declared or not, files of all
/// sizes, links to what is in it and below, replacements of anything by anything, and deletions.
pub(crate) fn draw(dice: &mut Dice, world: &mut World) -> Layer {
    let mut writer = Writer::new(Vec::new());
    delete(dice, world, &mut writer);
    let mut linked: Vec<String> = Vec::new();
    let (mut files, mut directories) = (Vec::<String>::new(), Vec::<String>::new());
    for _ in 0..3 + dice.below(12) {
        let path = path(dice, world);
        // What a link leads to stays: tools differ in whether it means what is below or what comes later.
        if linked.iter().any(|target| *target == path || target.starts_with(&format!("{path}/"))) {
            continue;
        }
        // What was a file in this layer does not become a directory: whether that shows what is below, too, tools
        // differ in.
        if files.iter().any(|file| path.starts_with(&format!("{file}/"))) {
            continue;
        }
        let is_file = files.contains(&path);
        let is_directory = directories.contains(&path);
        let header = match dice.below(8) {
            kind if is_directory || kind < 2 && !is_file => {
                Header::directory(&*path, 0o700 + bits(dice, 0o100))
            }
            2 => match link(dice, world, &path) {
                Some(target) => {
                    linked.push(target.clone());
                    // Of a link's header, some tools take the looks of what it leads to, and some do not.
                    let looks = world[&target].clone().unwrap();
                    let header = Header::hard_link(&*path, target);
                    Header {
                        size: 0,
                        path: header.path,
                        kind: header.kind,
                        xattrs: vec![],
                        ..looks
                    }
                }
                None => continue,
            },
            3 => Header::symlink(&*path, format!("nowhere-{}", dice.below(9))),
            4 => Header::new(&*path, EntryKind::Fifo, 0o640),
            _ => Header::file(&*path, 0o600 + bits(dice, 0o200)),
        };
        let is_link = matches!(header.kind, EntryKind::HardLink { .. });
        let header = if is_link { header } else { looks(dice, header) };
        match header.kind {
            EntryKind::File => {
                let content = dice.bytes(9000);
                writer.append_bytes(&header, &content).unwrap();
            }
            _ => writer.append_header(&header).unwrap(),
        }
        let is_directory = header.kind == EntryKind::Directory;
        let levels = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
        directories.extend(levels.chain(is_directory.then(|| path.clone())));
        if !is_directory {
            files.push(path.clone());
        }
        put(world, &path, (!is_directory).then_some(header));
    }
    let mut tar = writer.finish().unwrap();
    if dice.below(4) == 0 {
        // What follows the end of an archive belongs to its digest, too.
        tar.resize(tar.len() + 512 * dice.below(40), 0);
        tar.extend(dice.bytes(700));
    }
    Layer { diff_id: Digest::sha256(sha2::Sha256::digest(&tar).into()), tar }
}

/// Deletions of what is below: they come first, as for every tool that knows only one order.
fn delete(dice: &mut Dice, world: &mut World, writer: &mut Writer<Vec<u8>>) {
    let mut deleted: Vec<String> = Vec::new();
    for _ in 0..dice.below(3) {
        // Nothing above what has a deletion in this layer: its directories are there by that.
        let fits = |path: &str| !deleted.iter().any(|one| one.starts_with(path));
        let Some(path) = any(dice, world, fits) else { return };
        deleted.push(path.clone());
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let slash = if parent.is_empty() { "" } else { "/" };
        if world[&path].is_none() && dice.below(2) == 0 {
            let mark = format!("{path}/.wh..wh..opq");
            writer.append_bytes(&Header::file(&*mark, 0o600), b"").unwrap();
            world.retain(|other, _| !other.starts_with(&format!("{path}/")));
        } else {
            let mark = format!("{parent}{slash}.wh.{name}");
            writer.append_bytes(&Header::file(&*mark, 0o600), b"").unwrap();
            remove(world, &path);
        }
    }
}

fn bits(dice: &mut Dice, sides: usize) -> u32 {
    u32::try_from(dice.below(sides)).unwrap()
}

fn looks(dice: &mut Dice, header: Header) -> Header {
    let mut header = header;
    header.uid = u32::try_from(dice.below(3) * 100_000).unwrap();
    header.gid = u32::try_from(dice.below(3)).unwrap();
    header.modified.seconds = 1_000_000_000 + i64::try_from(dice.below(1000)).unwrap();
    let carries = matches!(header.kind, EntryKind::File | EntryKind::Directory);
    if carries && dice.below(4) == 0 {
        header
            .xattrs
            .push(Xattr { name: b"user.note".into(), value: dice.next().to_le_bytes().into() });
    }
    header
}

/// A path of three levels at most; none lies below what is no directory.
fn path(dice: &mut Dice, world: &World) -> String {
    let mut path = String::new();
    for level in 0..3 {
        let name = ["a", "b", "c", "a-rather-long-name"][dice.below(4)];
        let longer = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        let is_last = dice.below(3) == 0 || level == 2;
        path = longer;
        if is_last || world.get(&path).is_some_and(Option::is_some) {
            break;
        }
    }
    path
}

/// Something that a link at `path` can lead to.
fn link(dice: &mut Dice, world: &World, path: &str) -> Option<String> {
    let below = format!("{path}/");
    any(dice, world, |other| world[other].is_some() && other != path && !other.starts_with(&below))
}

fn any(dice: &mut Dice, world: &World, fits: impl Fn(&str) -> bool) -> Option<String> {
    let fitting: Vec<&String> = world.keys().filter(|path| fits(path)).collect();
    (!fitting.is_empty()).then(|| fitting[dice.below(fitting.len())].clone())
}

fn put(world: &mut World, path: &str, looks: Option<Header>) {
    if !(looks.is_none() && world.get(path) == Some(&None)) {
        remove(world, path);
    }
    let slashes = path.match_indices('/').map(|(at, _)| at);
    for end in slashes {
        world.insert(path[..end].to_owned(), None);
    }
    world.insert(path.to_owned(), looks);
}

fn remove(world: &mut World, path: &str) {
    let below = format!("{path}/");
    world.retain(|other, _| other != path && !other.starts_with(&below));
}
