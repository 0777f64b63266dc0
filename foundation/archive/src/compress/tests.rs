//! What is compressed comes out again, and is the same however it was made.

use super::*;
use crate::{Limits, decompress};

/// Text that repeats itself at many distances, and noise that does not.
fn content(length: usize) -> Vec<u8> {
    let mut state: u32 = 1;
    let mut bytes = Vec::with_capacity(length + 64);
    while bytes.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state & 0x4000_0000 == 0 {
            bytes.extend_from_slice(&state.to_le_bytes());
        } else {
            bytes.extend_from_slice(format!("line {} of a file\n", state >> 24).as_bytes());
        }
    }
    bytes.truncate(length);
    bytes
}

fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 7;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(next).collect()
}

fn packed(format: Compression, plain: &[u8], threads: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    compress(format, plain, &mut bytes, threads).unwrap();
    bytes
}

#[test]
fn what_goes_in_comes_out() {
    let sizes =
        [0, 1, 100, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 12_345];
    for format in [Compression::Gzip, Compression::Zstd, Compression::Plain] {
        for size in sizes {
            let plain = content(size);
            let bytes = packed(format, &plain, 2);
            let mut again = Vec::new();
            let mut reader = decompress(&bytes[..], &Limits::default()).unwrap();
            reader.read_to_end(&mut again).unwrap();
            assert!(again == plain, "{format:?} of {size} bytes");
        }
    }
}

#[test]
fn a_gzip_is_one_member_that_every_reader_takes() {
    let plain = content(2 * BLOCK_BYTES + 7);
    let bytes = packed(Compression::Gzip, &plain, 3);
    let mut again = Vec::new();
    // This reader stops after the first member, and checks its sum and length.
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut again).unwrap();
    assert!(again == plain);
    // Blocks lose next to nothing against one stream.
    let level = flate2::Compression::new(GZIP_LEVEL);
    let mut whole = flate2::write::GzEncoder::new(Vec::new(), level);
    whole.write_all(&plain).unwrap();
    let whole = whole.finish().unwrap().len();
    assert!(bytes.len() < whole + whole / 50, "{} and {whole}", bytes.len());
}

#[test]
fn threads_change_nothing() {
    // Few letters: wherever a compressor looks, it finds something, also where it has no business any more.
    let letters: Vec<u8> = noise(6 * BLOCK_BYTES + 99).iter().map(|byte| b'a' + byte % 4).collect();
    for format in [Compression::Gzip, Compression::Zstd] {
        let one = packed(format, &letters, 1);
        for threads in [2, 7] {
            assert!(packed(format, &letters, threads) == one, "{format:?} by {threads}");
        }
    }
}

#[test]
fn what_gets_smaller_is_not_taken_for_noise() {
    let text = content(BLOCK_BYTES);
    let noise = noise(BLOCK_BYTES);
    // A part of each kind by turns; bytes that are as frequent as all others but repeat themselves.
    let mixed: Vec<u8> = text
        .chunks(1 << 10)
        .zip(noise.chunks(1 << 10))
        .flat_map(|(a, b)| [a, b].concat())
        .collect();
    let repeated: Vec<u8> = noise[..512].iter().copied().cycle().take(BLOCK_BYTES).collect();
    let deflate = Deflate { level: GZIP_LEVEL };
    for (what, bytes, is_dense) in [
        ("text", &text, false),
        ("noise", &noise, true),
        ("mixed", &mixed[..BLOCK_BYTES].to_vec(), false),
        ("repeated", &repeated, false),
    ] {
        assert_eq!(deflate.is_dense(bytes).unwrap(), is_dense, "{what}");
    }
    let most = Deflate { level: MAX_GZIP_LEVEL };
    assert!(!most.is_dense(&noise).unwrap(), "who wants the most has it tried");
}

#[test]
fn noise_grows_by_little() {
    let noise = noise(2 * BLOCK_BYTES);
    let bytes = packed(Compression::Gzip, &noise, 2);
    // Stored, and taken as it is, between what is not.
    assert!(bytes.len() < noise.len() + noise.len() / 10_000);
    let text = content(BLOCK_BYTES);
    let mixed = [&text[..], &noise, &text, &noise[..99]].concat();
    let bytes = packed(Compression::Gzip, &mixed, 2);
    let mut again = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut again).unwrap();
    assert!(again == mixed);
    assert!(bytes.len() < noise.len() + 2 * packed(Compression::Gzip, &text, 1).len() + 1000);
    // Whoever asks for the most gets a try at everything.
    let mut most = Vec::new();
    compress_at((Compression::Gzip, Some(9)), &noise[..], &mut most, 2).unwrap();
    assert!(most.len() > noise.len() && most.len() < noise.len() + noise.len() / 100);
}

#[test]
fn failures_are_told() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("no disk"))
        }
    }
    let error = compress(Compression::Gzip, Broken, Vec::new(), 2).unwrap_err();
    assert_eq!(error.to_string(), "no disk");
    let plain = content(9 * BLOCK_BYTES);
    let mut little = [0; 1000];
    assert!(compress(Compression::Gzip, &plain[..], &mut little[..], 2).is_err());
}

#[test]
fn packers_that_panic_end_it_with_an_error() {
    struct Panics;
    impl Packer for Panics {
        fn pack(&self, _: &Block) -> io::Result<Packed> {
            panic!("a packer of a test");
        }
    }
    let (end, ended) = sync_channel(1);
    // More blocks than all queues take.
    let compressing = thread::spawn(move || {
        let input = io::repeat(7).take(20 * BLOCK_BYTES as u64);
        end.send(in_blocks(input, 2, &Panics, |_| Ok(()))).unwrap();
    });
    let result = ended.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    assert_eq!(result.unwrap_err().to_string(), gone().to_string());
    compressing.join().unwrap();
}
