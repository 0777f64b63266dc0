//! A layer's archive, applied: whatever it says, nothing outside its directory changes, and what was made can be measured, written
//! as an archive again and removed.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::LazyLock;

use gantry_archive::{
    Applied, ApplyOptions, CreateOptions, Limits, Result, Whiteouts, apply, create, decompress,
    resolve_fixups, tree,
};

use crate::pen::Pen;

static PEN: LazyLock<Pen> = LazyLock::new(|| {
    let pen = Pen::new();
    pen.inside(lay_out);
    pen
});

const BLOCK: usize = 512;
const CANARY: &str = "not for archives\n";

/// The first byte says how; the rest is the archive.
pub fn run(data: &[u8]) {
    let Some((choice, archive)) = data.split_first() else { return };
    let (choice, mut archive) = (*choice, archive.to_vec());
    if choice & 0x80 == 0 {
        repair_sums(&mut archive);
    }
    PEN.inside(move || check(choice, &archive));
}

/// A neighbour that must not change, and lower layers whose links lead to it.
fn lay_out() {
    for folder in ["/outside", "/lower", "/lower/d"] {
        fs::create_dir(folder).expect("make a directory");
    }
    fs::write("/outside/canary", CANARY).expect("make the canary");
    std::os::unix::fs::symlink("/outside", "/lower/out").expect("make a link");
    std::os::unix::fs::symlink("../../outside", "/lower/d/out").expect("make a link");
    fs::write("/lower/d/f", "lower").expect("make a file");
    assert_eq!(fs::metadata("/outside/canary").expect("it is there").nlink(), 1);
}

fn check(choice: u8, archive: &[u8]) {
    let before = machine();
    fs::create_dir("/root").expect("make the root");
    let options = ApplyOptions {
        limits: limits(),
        whiteouts: if choice & 1 == 0 { Whiteouts::Overlay } else { Whiteouts::Plain },
        ..ApplyOptions::default()
    };
    let made = extract(archive, &options, choice & 2 != 0);
    let root = File::open("/root").expect("open the root");
    tree::size(root.as_fd()).expect("what was made can be measured");
    if let Ok(applied) = made {
        assert!(applied.entries <= options.limits.entries);
        comes_back(&root, options.whiteouts);
    }
    drop(root);
    let top = File::open("/").expect("open the top");
    tree::remove(top.as_fd(), b"root").expect("what was made can be removed");
    assert_eq!(machine(), before, "something outside of the root changed");
}

fn limits() -> Limits {
    Limits {
        entries: 500,
        sparse_segments: 256,
        remembered_bytes: 1 << 16,
        file_bytes: 1 << 18,
        total_bytes: 1 << 21,
        ratio_free_bytes: 1 << 20,
        ..Limits::default()
    }
}

fn extract(archive: &[u8], options: &ApplyOptions, has_lower: bool) -> Result<Applied> {
    let root = File::open("/root").expect("open the root");
    let plain = decompress(archive, &options.limits)?;
    let applied = apply(plain, root.as_fd(), options)?;
    let lower = has_lower.then(|| File::open("/lower").expect("open the lower layers"));
    resolve_fixups(root.as_fd(), lower.as_ref().map(AsFd::as_fd), &applied.fixups)?;
    Ok(applied)
}

/// The tree as an archive, applied elsewhere, is the same archive again.
fn comes_back(root: &File, whiteouts: Whiteouts) {
    let options = CreateOptions { whiteouts, ..CreateOptions::default() };
    let mut first = Vec::new();
    // A layer may have names that mean deletions without being any.
    if create(root.as_fd(), &mut first, options).is_err() {
        return;
    }
    fs::create_dir("/again").expect("make another root");
    let again = File::open("/again").expect("open another root");
    let how = ApplyOptions { whiteouts, ..ApplyOptions::default() };
    apply(&first[..], again.as_fd(), &how).expect("our own archive can be applied");
    let mut second = Vec::new();
    create(again.as_fd(), &mut second, options).expect("and written again");
    assert!(first == second, "an archive of the same tree differs");
    let top = File::open("/").expect("open the top");
    tree::remove(top.as_fd(), b"again").expect("what was made can be removed");
}

/// All that is outside of the root: names, contents, and everything that can be told of an inode but the time of access.
fn machine() -> Vec<String> {
    let mut seen = Vec::new();
    let mut folders = vec!["/".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("list a directory") {
            let path = entry.expect("list a directory").path().to_string_lossy().into_owned();
            let found = fs::symlink_metadata(&path).expect("examine a file");
            let content =
                if found.is_file() { fs::read(&path).expect("read a file") } else { Vec::new() };
            let facts = (
                found.ino(),
                found.mode(),
                found.uid(),
                found.gid(),
                found.nlink(),
                found.mtime_nsec(),
                found.ctime_nsec(),
            );
            seen.push(format!("{path} {facts:?} {content:?}"));
            if found.is_dir() {
                folders.push(path);
            }
        }
    }
    seen.sort();
    seen
}

/// Puts the sum right in whatever looks like a header, so that mutations get further than that.
fn repair_sums(archive: &mut [u8]) {
    for block in archive.chunks_exact_mut(BLOCK) {
        if block.get(257..262) == Some(b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().copied().map(u32::from).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

/// For targets whose archives hold others.
pub(crate) fn repaired(archive: &[u8]) -> Vec<u8> {
    let mut archive = archive.to_vec();
    repair_sums(&mut archive);
    archive
}
