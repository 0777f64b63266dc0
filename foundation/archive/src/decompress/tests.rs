//! Tests of decompression: formats, several members, damage, bombs.

use std::io::Write;

use flate2::write::GzEncoder;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn plain(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    decompress(bytes, &Limits::default())?.read_to_end(&mut out)?;
    Ok(out)
}

#[test]
fn takes_off_what_is_there() {
    for text in [&b""[..], b"x", b"hello, world, hello, world"] {
        assert_eq!(plain(text).unwrap(), text);
        assert_eq!(plain(&gzip(text)).unwrap(), text);
        assert_eq!(plain(&zstd(text)).unwrap(), text);
    }
}

#[test]
fn reads_several_members_and_frames() {
    assert_eq!(plain(&[gzip(b"one "), gzip(b"two")].concat()).unwrap(), b"one two");
    assert_eq!(plain(&[zstd(b"one "), zstd(b"two")].concat()).unwrap(), b"one two");
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
    assert_eq!(plain(&[&skippable[..], &zstd(b"two")].concat()).unwrap(), b"two");
}

#[test]
fn damage_is_an_error() {
    for packed in [gzip(&[7; 5000]), zstd(&[7; 5000])] {
        assert!(plain(&packed[..packed.len() - 3]).is_err());
        let mut flipped = packed.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0xff;
        assert!(plain(&flipped).is_err());
    }
    assert!(plain(&[gzip(b"one"), b"garbage".to_vec()].concat()).is_err());
}

#[test]
fn names_what_it_cannot_read() {
    for (start, name) in
        [(&b"BZh91AY&SY"[..], "bzip2"), (b"\xfd7zXZ\0\0", "xz"), (b"\x04\x22\x4d\x18xx", "lz4")]
    {
        let error = decompress(start, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn stops_bombs() {
    let limits = Limits { compression_ratio: 100, ratio_free_bytes: 1 << 20, ..Limits::default() };
    for bomb in [gzip(&vec![0; 8 << 20]), zstd(&vec![0; 8 << 20])] {
        let mut out = Vec::new();
        let error = decompress(&bomb[..], &limits).unwrap().read_to_end(&mut out).unwrap_err();
        assert!(error.to_string().contains("100 uncompressed bytes"), "{error}");
        assert!(out.len() < 3 << 20, "{}", out.len());
    }
    let mut out = Vec::new();
    decompress(&gzip(&vec![0; 1 << 20])[..], &limits).unwrap().read_to_end(&mut out).unwrap();
}
