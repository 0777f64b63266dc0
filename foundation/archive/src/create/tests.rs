//! Directories to archives and back.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::*;
use crate::{ApplyOptions, Limits, Reader, Xattr, apply};

fn create_from(path: &Path, whiteouts: Whiteouts) -> Vec<u8> {
    let mut bytes = Vec::new();
    let root = File::open(path).unwrap();
    let created =
        create(root.as_fd(), &mut bytes, CreateOptions { whiteouts, ..CreateOptions::default() })
            .unwrap();
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
    let options = CreateOptions { whiteouts: Whiteouts::Overlay, ..CreateOptions::default() };
    let error = create(root.as_fd(), Vec::new(), options).unwrap_err();
    assert!(error.to_string().contains("reserve"), "{error}");
}

fn within(path: &Path, limits: &Limits) -> Result<Created> {
    let root = File::open(path).unwrap();
    let options = CreateOptions::default();
    create_within((root.as_fd(), b""), std::io::sink(), options, &BTreeSet::new(), limits)
}

#[test]
fn holes_do_not_fill_the_disk() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("d")).unwrap();
    let sparse = File::create(temp.path().join("d/sparse")).unwrap();
    sparse.set_len(300 << 30).unwrap();
    let error = within(temp.path(), &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), gantry_types::ErrorKind::TooLarge);
    assert!(error.to_string().contains("\"d/sparse\" has 322122547200 bytes"), "{error}");
    sparse.set_len(300).unwrap();
    std::fs::write(temp.path().join("e"), [1; 300]).unwrap();
    within(temp.path(), &Limits { total_bytes: 4000, ..Limits::default() }).unwrap();
    let short = Limits { total_bytes: 3600, ..Limits::default() };
    assert!(matches!(within(temp.path(), &short), Err(Error::Large { .. })));
}

#[test]
fn names_have_a_budget() {
    let temp = tempfile::tempdir().unwrap();
    for at in 0..20 {
        std::fs::write(temp.path().join(format!("{at:02}")), "").unwrap();
    }
    // Two bytes and what a name costs besides.
    let limits = |remembered_bytes| Limits { remembered_bytes, ..Limits::default() };
    within(temp.path(), &limits(20 * 50)).unwrap();
    assert!(matches!(within(temp.path(), &limits(20 * 50 - 1)), Err(Error::Limit { .. })));
    // The paths of files with other names are remembered to the end: `d/` makes them longer.
    let elsewhere = tempfile::tempdir_in(temp.path().parent().unwrap()).unwrap();
    std::fs::create_dir(elsewhere.path().join("d")).unwrap();
    for at in 0..20 {
        let name = format!("{at:02}");
        std::fs::hard_link(temp.path().join(&name), elsewhere.path().join("d").join(&name))
            .unwrap();
    }
    within(elsewhere.path(), &limits(20 * 52)).unwrap();
    let too_little = limits(20 * 52 - 1);
    assert!(matches!(within(elsewhere.path(), &too_little), Err(Error::Limit { .. })));
    let path = Limits { path_bytes: 1, ..Limits::default() };
    assert!(matches!(within(temp.path(), &path), Err(Error::Limit { .. })));
}

#[test]
fn links_lead_to_what_was_written() {
    let temp = tempfile::tempdir().unwrap();
    let root = File::open(temp.path()).unwrap();
    std::fs::write(temp.path().join("a"), "text").unwrap();
    std::fs::hard_link(temp.path().join("a"), temp.path().join("b")).unwrap();
    let limits = Limits::default();
    let mut creator = Creator::new(Vec::new(), CreateOptions::default(), &limits);
    let stat = statat(&root, "a", AtFlags::SYMLINK_NOFOLLOW).unwrap();
    let mut first = inode::header(root.as_fd(), b"a", b"a", &stat).unwrap().unwrap();
    // It could not be opened: nothing was written of it.
    assert!(!creator.is_link(&mut first, &stat));
    assert!(creator.entry(root.as_fd(), b"b", b"b").unwrap().is_none());
    let bytes = creator.writer.finish().unwrap();
    assert_eq!(entries(&bytes)[0].kind, EntryKind::File);
}

#[test]
fn nothing_is_later_than_it_may_be() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("d")).unwrap();
    std::fs::write(root.path().join("d/new"), "x").unwrap();
    std::fs::write(root.path().join("old"), "x").unwrap();
    let early = std::time::UNIX_EPOCH + std::time::Duration::from_secs(5);
    File::open(root.path().join("old")).unwrap().set_modified(early).unwrap();
    let latest = Some(Timestamp { seconds: 1000, nanos: 0 });
    let options = CreateOptions { latest, ..CreateOptions::default() };
    let mut bytes = Vec::new();
    let opened = File::open(root.path()).unwrap();
    create(opened.as_fd(), &mut bytes, options).unwrap();
    let mut reader = Reader::new(&bytes[..], Limits::default());
    let mut times = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        times.push(entry.header().modified.seconds);
    }
    assert_eq!(times, [1000, 1000, 5]);
}

#[test]
fn what_is_for_users_has_no_pipes() {
    let root = tempfile::tempdir().unwrap();
    let opened = File::open(root.path()).unwrap();
    std::fs::write(root.path().join("file"), "x").unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(&opened, "pipe", fifo, 0o644.into(), 0).unwrap();
    let count = |is_for_users: bool| {
        let options = CreateOptions { is_for_users, ..CreateOptions::default() };
        create(opened.as_fd(), std::io::sink(), options).unwrap().entries
    };
    assert_eq!((count(false), count(true)), (2, 1));
}

#[test]
fn a_listener_hears_where_data_lies() {
    #[derive(Default)]
    struct Heard(Vec<(String, u64, u64)>, Vec<String>);
    impl Listener for Heard {
        fn data(&mut self, path: &[u8], at: u64, length: u64) {
            self.0.push((String::from_utf8_lossy(path).into_owned(), at, length));
        }
        fn left_out(&mut self, path: &[u8]) {
            self.1.push(String::from_utf8_lossy(path).into_owned());
        }
    }
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("d")).unwrap();
    std::fs::write(temp.path().join("d/one"), "first").unwrap();
    std::fs::write(temp.path().join("d").join("long".repeat(50)), "second").unwrap();
    let socket = std::os::unix::net::UnixListener::bind(temp.path().join("d/socket")).unwrap();
    drop(socket);
    let root = File::open(temp.path()).unwrap();
    let (mut bytes, mut heard) = (Vec::new(), Heard::default());
    create_heard(root.as_fd(), &mut bytes, CreateOptions::default(), &mut heard).unwrap();
    let found: Vec<&[u8]> = heard
        .0
        .iter()
        .map(|(_, at, length)| {
            let at = usize::try_from(*at).unwrap();
            &bytes[at..at + usize::try_from(*length).unwrap()]
        })
        .collect();
    assert_eq!(found, [&b"second"[..], &b"first"[..]]);
    assert_eq!(heard.1, ["d/socket"]);
    assert!(bytes == create_from(temp.path(), Whiteouts::Plain));
}
