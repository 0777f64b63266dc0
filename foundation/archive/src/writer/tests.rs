//! Round trips through the reader, and what the writer refuses.

use super::*;
use crate::{Limits, Reader, Xattr};

fn round_trip(header: &Header, data: &[u8]) -> (Header, Vec<u8>) {
    let mut writer = Writer::new(Vec::new());
    writer.append_bytes(header, data).unwrap();
    let archive = writer.finish().unwrap();
    assert_eq!(archive.len() % BLOCK, 0);
    let mut reader = Reader::new(&archive[..], Limits::default());
    let mut entry = reader.next_entry().unwrap().unwrap();
    let mut read = Vec::new();
    entry.read_to_end(&mut read).unwrap();
    let header = entry.into_header();
    assert!(reader.next_entry().unwrap().is_none());
    (header, read)
}

fn check(header: &Header) {
    let (read, _) = round_trip(header, b"");
    let mut expected = header.clone();
    expected.path = written_path(header);
    assert_eq!(read, expected);
}

#[test]
fn every_kind_survives() {
    check(&Header::file("a/b", 0o4755));
    check(&Header::directory("a", 0o1777));
    check(&Header::symlink("a/l", "../../x"));
    check(&Header::hard_link("a/h", "a/b"));
    check(&Header::new("null", EntryKind::CharDevice { major: 1, minor: 3 }, 0o666));
    check(&Header::new("sda", EntryKind::BlockDevice { major: 8, minor: 0 }, 0o660));
    check(&Header::new("pipe", EntryKind::Fifo, 0o600));
}

#[test]
fn large_values_survive() {
    let mut header = Header::file("x", 0o644);
    header.uid = u32::MAX - 1;
    header.gid = 3_000_000;
    header.xattrs.push(Xattr { name: b"user.a".to_vec(), value: b"\0\n=\xff".to_vec() });
    check(&header);
    for (seconds, nanos) in
        [(-5, 0), (-1, 1), (-1, 500_000_000), (0, 1), (9, 120_000_000), (1 << 40, 0)]
    {
        header.modified = Timestamp { seconds, nanos };
        check(&header);
    }
}

#[test]
fn paths_of_every_length_survive() {
    for length in 1..600 {
        for step in [1, 7, 50, 99, 100, 101, 154, 155, 156, 300] {
            let path: Vec<u8> =
                (1..=length).map(|at| if at % (step + 1) == 0 { b'/' } else { b'n' }).collect();
            if path.ends_with(b"/") {
                continue;
            }
            let header = Header::file(&path, 0o644);
            assert_eq!(round_trip(&header, b"data").0.path, path, "{length} {step}");
            let mut link = Header::symlink("l", &path);
            assert_eq!(round_trip(&link, b"").0, link);
            link.kind = EntryKind::Directory;
            link.path = path;
            check(&link);
        }
    }
}

#[test]
fn data_of_every_padding_survives() {
    for length in [0, 1, 511, 512, 513, 1024, 200_000] {
        let data: Vec<u8> = (0..length).map(|at: usize| u8::try_from(at % 251).unwrap()).collect();
        let (header, read) = round_trip(&Header::file("f", 0o644), &data);
        assert_eq!(header.size, length as u64);
        assert!(read == data);
    }
}

#[test]
fn record_lengths_count_their_own_digits() {
    for length in [80, 85, 90, 91, 92, 93, 94, 985, 990, 991, 992, 993, 9980] {
        let mut records = Vec::new();
        record(&mut records, b"path", &vec![b'x'; length]);
        let text = String::from_utf8(records.clone()).unwrap();
        assert!(text.starts_with(&format!("{} path=", records.len())), "{length}");
    }
}

#[test]
fn refuses_what_tar_cannot_say() {
    let mut writer = Writer::new(Vec::new());
    let mut huge = Header::file("x", 0o644);
    huge.uid = u32::MAX;
    let mut data = Header::directory("d", 0o755);
    data.size = 1;
    let device = EntryKind::CharDevice { major: u32::MAX, minor: 0 };
    for header in [
        Header::file("", 0o644),
        Header::file("a\0b", 0o644),
        Header::symlink("a", "b\0c"),
        Header::file("x", 0o10000),
        Header::new("x", device, 0o644),
        huge,
        data,
    ] {
        assert!(writer.append_header(&header).is_err(), "{header:?}");
    }
    let mut short = Header::file("x", 0o644);
    short.size = 5;
    assert!(writer.append(&short, &b"1234"[..]).is_err());
}
