//! Formats as other tars write them, and archives made to harm: everything is built by hand here.

use std::fmt::Write;

use super::*;
use crate::Writer;
use crate::raw::BLOCK;

/// A header block by hand.
pub(super) struct Raw {
    block: Block,
}

impl Raw {
    fn new(path: &[u8], flag: u8) -> Self {
        let mut block = [0; BLOCK];
        block[..path.len()].copy_from_slice(path);
        block[100..107].copy_from_slice(b"0000644");
        block[156] = flag;
        block[257..265].copy_from_slice(b"ustar\x0000");
        Self { block }
    }

    fn gnu(mut self) -> Self {
        self.block[257..265].copy_from_slice(b"ustar  \0");
        self
    }

    fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.block[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn size(self, size: u64) -> Self {
        self.put(124, format!("{size:011o}\0").as_bytes())
    }

    fn with(self, data: &[u8]) -> Vec<u8> {
        let mut bytes = self.sealed();
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    fn sealed(mut self) -> Vec<u8> {
        self.block[148..156].fill(b' ');
        let sum: u32 = self.block.iter().map(|&byte| u32::from(byte)).sum();
        self.put(148, format!("{sum:06o}\0 ").as_bytes()).block.to_vec()
    }
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest..rest + 9).find(|n| n.to_string().len() + rest == *n).unwrap();
        writeln!(body, "{length} {key}={value}").unwrap();
    }
    Raw::new(b"PaxHeader", b'x').size(body.len() as u64).with(body.as_bytes())
}

fn file(path: &[u8], data: &[u8]) -> Vec<u8> {
    Raw::new(path, b'0').size(data.len() as u64).with(data)
}

fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK]
}

fn read_limited(bytes: &[u8], limits: Limits) -> Result<Vec<(Header, Vec<u8>)>> {
    let mut reader = Reader::new(bytes, limits);
    let mut entries = Vec::new();
    while let Some(mut entry) = reader.next_entry()? {
        let mut data = Vec::new();
        entry.read_to_end(&mut data).map_err(Error::read)?;
        entries.push((entry.into_header(), data));
    }
    reader.finish()?;
    Ok(entries)
}

fn read(parts: &[Vec<u8>]) -> Result<Vec<(Header, Vec<u8>)>> {
    read_limited(&parts.concat(), Limits::default())
}

/// Path and data of the only entry.
fn one(parts: &[Vec<u8>]) -> (Header, Vec<u8>) {
    let mut entries = read(parts).unwrap();
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

fn check_refused(parts: &[Vec<u8>], words: &str) {
    let error = read(parts).unwrap_err();
    let text = format!("{error} {:?}", std::error::Error::source(&error));
    assert!(text.contains(words), "{text}");
}

#[test]
fn reads_prefixes_of_three_dialects() {
    let ustar = Raw::new(b"name", b'0').put(345, b"a/prefix").with(b"");
    assert_eq!(one(&[ustar, end()]).0.path, b"a/prefix/name");
    let star = Raw::new(b"name", b'0').put(345, b"pre").put(476, b"12345\0").put(508, b"tar\0");
    assert_eq!(one(&[star.with(b""), end()]).0.path, b"pre/name");
    let gnu = Raw::new(b"name", b'0').gnu().put(345, b"12345670123");
    assert_eq!(one(&[gnu.with(b""), end()]).0.path, b"name");
}

#[test]
fn reads_seventh_edition() {
    let old = Raw::new(b"dir/", 0).put(257, &[0; 8]).with(b"");
    assert_eq!(one(&[old, end()]).0.kind, EntryKind::Directory);
    let old = Raw::new(b"file", 0).put(257, &[0; 8]).size(3).with(b"abc");
    assert_eq!(one(&[old, end()]).1, b"abc");
}

#[test]
fn reads_gnu_long_names() {
    let long = [b'x'; 300];
    let name = Raw::new(b"././@LongLink", b'L').gnu().size(301).with(&[&long[..], b"\0"].concat());
    let link = Raw::new(b"././@LongLink", b'K').gnu().size(300).with(&long);
    let (header, _) = one(&[name, link, Raw::new(b"short", b'2').gnu().with(b""), end()]);
    assert_eq!(header.path, long);
    assert_eq!(header.kind, EntryKind::Symlink { target: long.to_vec() });
}

#[test]
fn the_size_in_pax_wins() {
    // Readers that take the header's size find an entry smuggled into the data.
    let hidden = file(b"smuggled", b"");
    let parts = [pax(&[("size", "512")]), Raw::new(b"a", b'0').size(0).with(&hidden), end()];
    let (header, data) = one(&parts);
    assert_eq!((header.path, header.size), (b"a".to_vec(), 512));
    assert_eq!(data, hidden);
    // And the other way round.
    let parts = [pax(&[("size", "0")]), Raw::new(b"a", b'0').size(512).with(b""), hidden, end()];
    assert_eq!(read(&parts).unwrap().len(), 2);
}

#[test]
fn what_is_no_file_has_no_data() {
    for flag in [b'1', b'2', b'3', b'4', b'5', b'6'] {
        let parts =
            [Raw::new(b"a", flag).put(157, b"t").size(512).with(b""), file(b"b", b""), end()];
        let entries = read(&parts).unwrap();
        assert_eq!(entries.len(), 2, "{}", char::from(flag));
        assert_eq!(entries[0].0.size, 0);
    }
    let parts = [pax(&[("size", "512")]), Raw::new(b"d", b'5').with(b""), file(b"b", b""), end()];
    assert_eq!(read(&parts).unwrap().len(), 2);
}

#[test]
fn global_headers_are_passed_over() {
    let mut global = pax(&[("path", "evil"), ("comment", "a commit")]);
    global[156] = b'g';
    global[148..156].fill(b' ');
    let sum: u32 = global[..BLOCK].iter().map(|&byte| u32::from(byte)).sum();
    global[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(one(&[global, file(b"a", b""), end()]).0.path, b"a");
}

#[test]
fn the_end_is_zeros_or_the_stream_s_end() {
    assert_eq!(read(&[]).unwrap(), []);
    assert_eq!(read(&[end()]).unwrap(), []);
    assert_eq!(read(&[file(b"a", b"x")]).unwrap().len(), 1);
    assert_eq!(read(&[file(b"a", b"x"), vec![0; BLOCK]]).unwrap().len(), 1);
    let garbage = vec![7; 3000];
    assert_eq!(read(&[file(b"a", b"x"), end(), garbage]).unwrap().len(), 1);
    check_refused(&[vec![0; BLOCK], file(b"a", b"x")], "single block of zeros");
}

#[test]
fn finds_every_cut() {
    let whole = [pax(&[("uid", "5")]), file(b"a", &[1; 700]), file(b"b", b"x")].concat();
    for cut in 1..whole.len() {
        let result = read_limited(&whole[..cut], Limits::default());
        // 2048 and 2560: behind an entry, where an archive without an end may end.
        let ends = [2560, 3584];
        assert_eq!(result.is_ok(), ends.contains(&cut), "{cut}: {result:?}");
    }
}

#[test]
fn no_flipped_byte_panics() {
    let whole = [
        pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9")]),
        file(b"s", b"1\n0\n4\n"),
        pax(&[("path", "x"), ("mtime", "1.5"), ("SCHILY.xattr.user.a", "b")]),
        Raw::new(b"dev", b'3').put(329, b"0000001\0").with(b""),
        end(),
    ]
    .concat();
    for at in 0..whole.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            // Whatever comes of it, it comes as a value.
            drop(read_limited(&bytes, Limits::default()));
        }
    }
}

#[test]
fn refuses_what_is_not_tar() {
    check_refused(&[vec![b'x'; 4096]], "damaged");
    check_refused(&[b"<html>".repeat(200)], "damaged");
    check_refused(&[b"{}".to_vec()], "cut off");
    check_refused(&[Raw::new(b"a", b'Z').with(b""), end()], "unknown type");
    check_refused(&[Raw::new(b"a", b'3').put(257, &[0; 8]).with(b""), end()], "without numbers");
}

#[test]
fn refuses_numbers_out_of_range() {
    let negative = Raw::new(b"a", b'0').put(124, &[0xff; 12]).with(b"");
    check_refused(&[negative, end()], "negative");
    let owner = Raw::new(b"a", b'0').put(108, &[0xff; 8]).with(b"");
    check_refused(&[owner, end()], "owner");
    check_refused(&[pax(&[("uid", "4294967295")]), file(b"a", b""), end()], "owner");
    check_refused(&[pax(&[("size", "-1")]), file(b"a", b""), end()], "malformed");
    let huge = Raw::new(b"a", b'0').put(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    check_refused(&[huge.with(b""), end()], "bytes in one file");
}

#[test]
fn refuses_nul_in_pax_paths() {
    check_refused(&[pax(&[("path", "a\0b")]), file(b"a", b""), end()], "NUL");
    check_refused(&[pax(&[("linkpath", "a\0b")]), file(b"a", b""), end()], "NUL");
    check_refused(&[pax(&[("SCHILY.xattr.a\0b", "c")]), file(b"a", b""), end()], "attribute");
}

#[test]
fn limits_headers() {
    // A header that announces a gigabyte is refused before anything is read or kept.
    let giant = Raw::new(b"p", b'x').size(1 << 30).with(b"");
    check_refused(&[giant], "1048576 bytes in a header");
    let giant = Raw::new(b"L", b'L').gnu().size(1 << 30).with(b"");
    check_refused(&[giant], "1048576 bytes in a header");
    let many = vec![pax(&[("uid", "1")]); 40];
    check_refused(&[many.concat(), file(b"a", b""), end()], "16 headers");
    check_refused(&[pax(&[("uid", "1")]), end()], "cut off");
    let long = "x".repeat(5000);
    check_refused(&[pax(&[("path", &long)]), file(b"a", b""), end()], "4095 bytes in a path");
}

#[test]
fn limits_entries_and_bytes() {
    let mut writer = Writer::new(Vec::new());
    for at in 0..50 {
        writer.append_bytes(&Header::file(format!("f{at}"), 0o644), b"x").unwrap();
    }
    let archive = writer.finish().unwrap();
    let check = |limits: Limits, words: &str| {
        let error = read_limited(&archive, limits).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    check(Limits { entries: 49, ..Limits::default() }, "49 entries");
    check(Limits { total_bytes: 10_000, ..Limits::default() }, "10000 bytes");
    check(Limits { file_bytes: 0, ..Limits::default() }, "bytes in one file");
    assert!(read_limited(&archive, Limits { entries: 50, ..Limits::default() }).is_ok());
}

#[test]
fn reads_old_gnu_sparse_files() {
    let pair = |offset: u64, length: u64| format!("{offset:011o}\0{length:011o}\0").into_bytes();
    let header = Raw::new(b"s", b'S').gnu().size(7).put(483, b"00000000024\0");
    let header = header.put(386, &[pair(2, 3), pair(10, 4)].concat());
    let (read, data) = one(&[header.with(b"abcdefg"), end()]);
    assert_eq!((read.kind, read.size), (EntryKind::File, 20));
    assert_eq!(data, b"\0\0abc\0\0\0\0\0defg\0\0\0\0\0\0");

    // Five pairs need an extension block.
    let pairs: Vec<u8> = (0..4).flat_map(|at| pair(at * 2, 1)).collect();
    let header = Raw::new(b"s", b'S').gnu().size(5).put(483, b"00000000012\0");
    let header = header.put(386, &pairs).put(482, &[1]).sealed();
    let mut extension = pair(8, 1);
    extension.resize(BLOCK, 0);
    let mut data = b"abcde".to_vec();
    data.resize(BLOCK, 0);
    let (_, data) = one(&[header, extension, data, end()]);
    assert_eq!(data, b"a\0b\0c\0d\0e\0");
}

#[test]
fn reads_pax_sparse_files() {
    let expected = b"\0\0abc\0\0\0\0\0defg\0\0\0\0\0\0";
    let zero = pax(&[
        ("GNU.sparse.size", "20"),
        ("GNU.sparse.numblocks", "2"),
        ("GNU.sparse.offset", "2"),
        ("GNU.sparse.numbytes", "3"),
        ("GNU.sparse.offset", "10"),
        ("GNU.sparse.numbytes", "4"),
    ]);
    assert_eq!(one(&[zero, file(b"s", b"abcdefg"), end()]).1, expected);
    let first = pax(&[
        ("GNU.sparse.size", "20"),
        ("GNU.sparse.numblocks", "2"),
        ("GNU.sparse.name", "real"),
        ("GNU.sparse.map", "2,3,10,4"),
    ]);
    let (header, data) = one(&[first, file(b"GNUSparseFile.1/s", b"abcdefg"), end()]);
    assert_eq!((header.path, data), (b"real".to_vec(), expected.to_vec()));
    let major = pax(&[
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "real"),
        ("GNU.sparse.realsize", "20"),
    ]);
    let mut body = b"2\n2\n3\n10\n4\n".to_vec();
    body.resize(BLOCK, 0);
    body.extend_from_slice(b"abcdefg");
    let (header, data) = one(&[major, file(b"GNUSparseFile.1/s", &body), end()]);
    assert_eq!((header.path, header.size), (b"real".to_vec(), 20));
    assert_eq!(data, expected);
}

#[test]
fn refuses_sparse_lies() {
    let major = |size: &str| {
        let pairs =
            [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", size)];
        pax(&pairs)
    };
    let with_map = |map: &[u8], data: &[u8]| {
        let mut body = map.to_vec();
        body.resize(BLOCK, 0);
        body.extend_from_slice(data);
        file(b"s", &body)
    };
    check_refused(&[major("20"), with_map(b"1\n0\n9\n", b"abc"), end()], "stored size");
    check_refused(&[major("2"), with_map(b"1\n0\n3\n", b"abc"), end()], "behind its end");
    check_refused(&[major("20"), with_map(b"2\n4\n2\n0\n1\n", b"abc"), end()], "overlap");
    check_refused(&[major("20"), with_map(b"9999999\n", b"abc"), end()], "segments");
    check_refused(&[major("20"), with_map(b"abc", b""), end()], "malformed");
    check_refused(&[major("20"), with_map(&[b'1'; 512], b""), end()], "malformed");
    check_refused(&[major("20"), file(b"s", b""), end()], "longer than its data");
    // A few bytes of archive, eight exbibytes of file.
    let huge = "9223372036854775807";
    check_refused(&[major(huge), with_map(b"0\n", b""), end()], "bytes in one file");
    check_refused(&[pax(&[("GNU.sparse.map", "0,1")]), file(b"s", b"a"), end()], "without a size");
    let unknown = pax(&[("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")]);
    check_refused(&[unknown, file(b"s", b"a"), end()], "unknown sparse format");
    let link = Raw::new(b"l", b'2').put(157, b"t").with(b"");
    let map = pax(&[("GNU.sparse.map", ""), ("GNU.sparse.size", "1")]);
    check_refused(&[map, link, end()], "not a file");
}

#[test]
fn skips_what_was_not_read() {
    let archive = [file(b"a", &[1; 5000]), file(b"b", b"x"), end()].concat();
    let mut reader = Reader::new(&archive[..], Limits::default());
    let mut entry = reader.next_entry().unwrap().unwrap();
    entry.read_exact(&mut [0; 10]).unwrap();
    assert_eq!(reader.next_entry().unwrap().unwrap().header().path, b"b");
}
