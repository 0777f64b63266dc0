//! What a layer may cost in memory and on the disk while it becomes an image.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use gantry_archive::{EntryKind, Error, Header, Limits, Reader, Writer, Xattr};
use tempfile::TempDir;

use super::extractor::Extractor;

/// Takes entries in, as far as that goes.
fn take(entries: &[Header], limits: &Limits) -> (Extractor, gantry_archive::Result<()>) {
    let mut writer = Writer::new(Vec::new());
    for header in entries {
        match header.kind {
            EntryKind::File => writer.append_bytes(header, b"").unwrap(),
            _ => writer.append_header(header).unwrap(),
        }
    }
    let tar = writer.finish().unwrap();
    let mut reader = Reader::new(&tar[..], limits.clone());
    let mut extractor = Extractor::new(tempfile::tempfile().unwrap(), [0; 16], limits);
    let mut read = || {
        while let Some(entry) = reader.next_entry()? {
            extractor.entry(entry)?;
        }
        Ok(())
    };
    let result = read();
    (extractor, result)
}

/// Refused with 64 KiB of memory, taken with a megabyte.
#[track_caller]
fn check_remembered(entries: &[Header]) {
    let limits = |remembered_bytes| Limits { remembered_bytes, ..Limits::default() };
    let (_, result) = take(entries, &limits(64 << 10));
    assert!(matches!(result, Err(Error::Limit { limit: 65_536, .. })), "{result:?}");
    take(entries, &limits(1 << 20)).1.unwrap();
}

fn with_attribute(path: String, value_bytes: usize) -> Header {
    let xattrs = vec![Xattr { name: b"user.x".into(), value: vec![b'x'; value_bytes] }];
    Header { xattrs, ..Header::directory(path, 0o755) }
}

#[test]
fn attributes_of_directories_are_counted() {
    let dirs: Vec<Header> = (0..20).map(|at| with_attribute(format!("d{at}"), 20_000)).collect();
    check_remembered(&dirs);
}

#[test]
fn attributes_that_fit_no_image_are_refused_at_once() {
    let entries = [with_attribute("d".to_owned(), 65_536), Header::directory("later", 0o755)];
    let (extractor, result) = take(&entries, &Limits::default());
    assert!(matches!(&result, Err(Error::Entry { path, .. }) if path == "d/"), "{result:?}");
    assert!(extractor.tree.directory(gantry_erofs::ROOT).get(b"later").is_none());
}

#[test]
fn links_that_wait_are_counted_with_what_they_cost() {
    // Some ten bytes of paths each.
    let links: Vec<Header> =
        (0..500).map(|at| Header::hard_link(format!("l{at}"), "below")).collect();
    check_remembered(&links);
}

#[test]
fn files_that_had_several_names_are_counted() {
    // The names are free again each time; what is known of the link stays.
    let round = [Header::file("a", 0o644), Header::hard_link("b", "a")];
    let rounds: Vec<Header> = (0..1000).flat_map(|_| round.clone()).collect();
    check_remembered(&rounds);
}

/// Lower layers, as one directory.
fn lower() -> (TempDir, File, OwnedFd) {
    let dir = TempDir::new().unwrap();
    let file = File::create(dir.path().join("below")).unwrap();
    let root = File::open(dir.path()).unwrap().into();
    (dir, file, root)
}

fn two_links(limits: &Limits) -> Extractor {
    let links = [Header::hard_link("one", "below"), Header::hard_link("two", "below")];
    let (extractor, result) = take(&links, limits);
    result.unwrap();
    extractor
}

#[test]
fn links_do_not_copy_the_holes_of_files() {
    let (_dir, file, root) = lower();
    file.set_len(8 << 30).unwrap();
    file.write_all_at(b"data", 4 << 30).unwrap();
    let image = tempfile::NamedTempFile::new().unwrap();
    let mut extractor = two_links(&Limits::default());
    let opened = File::options().read(true).write(true).open(image.path()).unwrap();
    extractor.writer = gantry_erofs::Writer::new(opened, [0; 16]);
    let fixups = extractor.fixups();
    assert_eq!(fixups.len(), 2);
    extractor.resolve(&fixups, Some(&root)).unwrap();
    let root = extractor.tree.directory(gantry_erofs::ROOT);
    assert!(root.get(b"one").is_some() && root.get(b"two").is_some());
    assert!(extractor.copied_bytes < 1 << 20, "{}", extractor.copied_bytes);
    extractor.finish().unwrap();
    let stat = image.path().metadata().unwrap();
    // No blocks for what is a hole.
    assert!(stat.len() > 16 << 30 && stat.blocks() < 4096, "{stat:?}");
}

#[test]
fn what_links_copy_is_counted() {
    let (_dir, file, root) = lower();
    file.write_all_at(&vec![1; 15_000], 0).unwrap();
    for (total_bytes, fits) in [(29_999, false), (30_000, true)] {
        let mut extractor = two_links(&Limits::default());
        extractor.limits.total_bytes = total_bytes;
        let fixups = extractor.fixups();
        let result = extractor.resolve(&fixups, Some(&root));
        assert_eq!(result.is_ok(), fits, "{result:?}");
        assert!(fits || matches!(result, Err(Error::Limit { limit: 29_999, .. })), "{result:?}");
    }
}
