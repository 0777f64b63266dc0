//! Directories to archives and back.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::*;
use crate::{ApplyOptions, Limits, Reader, Xattr, apply};

fn create_from(path: &Path, whiteouts: Whiteouts) -> Vec<u8> {
    let mut bytes = Vec::new();
    let root = File::open(path).unwrap();
    let created = create(root.as_fd(), &mut bytes, CreateOptions { whiteouts }).unwrap();
    assert_eq!(created.bytes + 1024, bytes.len() as u64);
    bytes
}

fn entries(bytes: &[u8]) -> Vec<Header> {
    let mut reader = Reader::new(bytes, Limits::default());
    let mut headers = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        headers.push(entry.into_header());
    }
    headers
}

/// A layer with one of everything.
fn layer() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let mut add = |mut header: Header, data: &[u8]| {
        header.modified.nanos = 7;
        if header.kind == EntryKind::File {
            writer.append_bytes(&header, data).unwrap();
        } else {
            writer.append_header(&header).unwrap();
        }
    };
    add(Header::directory("d", 0o1755), b"");
    let mut marked = Header::file("d/f", 0o4755);
    marked.uid = 3_000_000;
    marked.xattrs.push(Xattr { name: b"user.k".to_vec(), value: b"v\0".to_vec() });
    add(marked, b"data");
    add(Header::file("d/.wh.gone", 0), b"");
    add(Header::directory("o", 0o700), b"");
    add(Header::file("o/.wh..wh..opq", 0), b"");
    add(Header::symlink("l", "d/f"), b"");
    add(Header::new("p", EntryKind::Fifo, 0o600), b"");
    add(Header::new("n", EntryKind::CharDevice { major: 1, minor: 3 }, 0o666), b"");
    add(Header::file(format!("d/{}", "n".repeat(200)), 0o600), &[5; 1000]);
    writer.finish().unwrap()
}

#[test]
fn a_layer_survives_the_round_trip() {
    let first = tempfile::tempdir().unwrap();
    let root = File::open(first.path()).unwrap();
    apply(&layer()[..], root.as_fd(), &ApplyOptions::default()).unwrap();
    std::fs::hard_link(first.path().join("d/f"), first.path().join("z")).unwrap();
    let bytes = create_from(first.path(), Whiteouts::Overlay);
    let names: Vec<_> =
        entries(&bytes).iter().map(|h| String::from_utf8_lossy(&h.path).into_owned()).collect();
    let long = format!("d/{}", "n".repeat(200));
    let expected = ["d/", "d/f", "d/.wh.gone", &long, "l", "n", "o/", "o/.wh..wh..opq", "p", "z"];
    assert_eq!(names, expected);
    let last = entries(&bytes).pop().unwrap();
    assert_eq!(last.kind, EntryKind::HardLink { target: b"d/f".to_vec() });

    let second = tempfile::tempdir().unwrap();
    let root = File::open(second.path()).unwrap();
    apply(&bytes[..], root.as_fd(), &ApplyOptions::default()).unwrap();
    assert!(create_from(second.path(), Whiteouts::Overlay) == bytes, "not the same again");
    let (one, two) = (first.path().join("d/f"), second.path().join("d/f"));
    let (one, two) = (one.metadata().unwrap(), two.metadata().unwrap());
    assert_eq!(
        (one.mode(), one.uid(), one.mtime(), one.mtime_nsec(), one.nlink()),
        (two.mode(), two.uid(), two.mtime(), two.mtime_nsec(), two.nlink())
    );
}

#[test]
fn plain_archives_take_all_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let root = File::open(temp.path()).unwrap();
    apply(&layer()[..], root.as_fd(), &ApplyOptions::default()).unwrap();
    std::fs::write(temp.path().join(".wh.name"), "x").unwrap();
    let socket = std::os::unix::net::UnixListener::bind(temp.path().join("socket")).unwrap();
    let headers = entries(&create_from(temp.path(), Whiteouts::Plain));
    drop(socket);
    let find = |path: &str| headers.iter().find(|header| header.path == path.as_bytes());
    assert_eq!(find("d/gone").unwrap().kind, EntryKind::CharDevice { major: 0, minor: 0 });
    assert!(find(".wh.name").is_some());
    assert!(find("socket").is_none());
    assert!(headers.iter().all(|header| {
        !header.xattrs.iter().any(|xattr| xattr.name.starts_with(b"trusted.overlay."))
    }));
}

#[test]
fn a_layer_cannot_say_names_of_whiteouts() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join(".wh.x"), "x").unwrap();
    let root = File::open(temp.path()).unwrap();
    let options = CreateOptions { whiteouts: Whiteouts::Overlay };
    let error = create(root.as_fd(), Vec::new(), options).unwrap_err();
    assert!(error.to_string().contains("reserve"), "{error}");
}
