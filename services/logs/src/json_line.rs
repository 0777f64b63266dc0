//! One object of the file, as bytes: escaping on the way in, parsing on the way out. Nothing is
//! allocated on the way in.
//!
//! The escapes are those of Docker's writer, so that files compare byte for byte: `\\ \" \n \r`, other
//! control characters and `< > &` as `\u00xx`, U+2028 and U+2029 escaped, and one `\ufffd` for each
//! byte that is not UTF-8.

use crate::entry::{Entry, Stream};
use gantry_types::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Where encoded bytes go; the writer's buffer, or a plain vector in tests.
pub(crate) trait Sink {
    type Failure;
    fn put(&mut self, bytes: &[u8]) -> Result<(), Self::Failure>;
}

/// Which bytes stand for themselves: ASCII, but for what must be escaped.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte < 0x80 {
        plain[byte as usize] = !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&');
        byte += 1;
    }
    plain
};

/// How much is best looked at at once.
pub(crate) const PLAIN_BLOCK_BYTES: usize = 32;

/// Whether nothing in a block must be escaped.
pub(crate) fn is_block_plain(block: &[u8]) -> bool {
    // Without a branch for each byte, so that many are compared at a time.
    let mut plain = true;
    for &byte in block {
        plain &= byte >= b' ';
        plain &= byte < 0x80;
        for special in *b"\"\\<>&" {
            plain &= byte != special;
        }
    }
    plain
}

/// Writes `text` as the inside of a JSON string.
pub(crate) fn escape<S: Sink>(mut text: &[u8], sink: &mut S) -> Result<(), S::Failure> {
    loop {
        let plain = text.iter().position(|byte| !PLAIN[usize::from(*byte)]);
        let (now, later) = text.split_at(plain.unwrap_or(text.len()));
        sink.put(now)?;
        let Some((first, rest)) = later.split_first() else { return Ok(()) };
        if first.is_ascii() {
            put_special(&[*first], sink)?;
            text = rest;
        } else {
            // ASCII is never a part of a longer character.
            let end = later.iter().position(u8::is_ascii).unwrap_or(later.len());
            escape_long(&later[..end], sink)?;
            text = &later[end..];
        }
    }
}

/// The same of bytes that are no ASCII.
fn escape_long<S: Sink>(text: &[u8], sink: &mut S) -> Result<(), S::Failure> {
    for chunk in text.utf8_chunks() {
        escape_valid(chunk.valid().as_bytes(), sink)?;
        for _ in chunk.invalid() {
            sink.put(br"\ufffd")?;
        }
    }
    Ok(())
}

fn escape_valid<S: Sink>(text: &[u8], sink: &mut S) -> Result<(), S::Failure> {
    let (mut plain, mut at) = (0, 0);
    while let Some(found) = memchr::memchr(0xe2, &text[at..]) {
        at += found;
        let length = special_length(&text[at..]);
        if length > 0 {
            sink.put(&text[plain..at])?;
            put_special(&text[at..at + length], sink)?;
            plain = at + length;
        }
        at += length.max(1);
    }
    sink.put(&text[plain..])
}

/// How many bytes the character takes that must be escaped here; 0 when it need not be.
fn special_length(text: &[u8]) -> usize {
    if matches!(text, [0xe2, 0x80, 0xa8 | 0xa9, ..]) { 3 } else { 0 }
}

fn put_special<S: Sink>(character: &[u8], sink: &mut S) -> Result<(), S::Failure> {
    match *character {
        [0xe2, _, last] => sink.put(if last == 0xa8 { br"\u2028" } else { br"\u2029" }),
        [byte @ (b'"' | b'\\')] => sink.put(&[b'\\', byte]),
        [b'\n'] => sink.put(br"\n"),
        [b'\r'] => sink.put(br"\r"),
        [byte, ..] => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            sink.put(&[b'\\', b'u', b'0', b'0', high, low])
        }
        [] => Ok(()),
    }
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// Parses one line of the file; `None` when it is not an object of ours (torn by a crash, foreign).
pub(crate) fn parse(line: &[u8]) -> Option<Entry> {
    let object: Object<'_> = serde_json::from_slice(line).ok()?;
    let stream = match &*object.stream {
        "stderr" => Stream::Stderr,
        // Docker leaves the name out for some drivers' caches; that is stdout.
        "stdout" | "" => Stream::Stdout,
        _ => return None,
    };
    let time: Timestamp = object.time.parse().ok()?;
    Some(Entry { time, stream, line: object.log.into_owned().into_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    impl Sink for Vec<u8> {
        type Failure = Infallible;
        fn put(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
            self.extend_from_slice(bytes);
            Ok(())
        }
    }

    fn check(text: &[u8], expected: &str) {
        let mut out = Vec::new();
        let Ok(()) = escape(text, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn escapes_are_dockers() {
        check(b"plain \xc3\xa9 \xe2\x82\xac\n", "plain \u{e9} \u{20ac}\\n");
        check(b"\"\\\r\t\x00\x1b<>&", r#"\"\\\r\u0009\u0000\u001b\u003c\u003e\u0026"#);
        check("a\u{2028}b\u{2029}".as_bytes(), r"a\u2028b\u2029");
        check(b"\xff\xe2\x82x\xc3", r"\ufffd\ufffd\ufffdx\ufffd");
        check(b"", "");
    }

    #[test]
    fn plain_is_what_is_written_as_it_is() {
        for byte in 0..=u8::MAX {
            for at in [0, 31, 32, 39] {
                let mut text = [b'x'; 40];
                text[at] = byte;
                let mut out = Vec::new();
                let Ok(()) = escape(&text, &mut out);
                assert_eq!(is_block_plain(&text), out == text, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn every_byte_comes_back_through_a_json_parser() {
        let text: String = (0..=0x10_ffff).step_by(17).filter_map(char::from_u32).collect();
        let mut json = b"\"".to_vec();
        let Ok(()) = escape(text.as_bytes(), &mut json);
        json.push(b'"');
        assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
    }

    #[test]
    fn what_is_not_an_entry_is_none() {
        let whole = br#"{"log":"a\n","stream":"stderr","time":"2024-01-02T03:04:05.6Z"}"#;
        let entry = parse(whole).unwrap();
        assert_eq!((entry.stream, &entry.line[..]), (Stream::Stderr, &b"a\n"[..]));
        assert_eq!(entry.time.to_string(), "2024-01-02T03:04:05.6Z");
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None, "cut at {cut}");
        }
        for line in
            [&br#"{"log":"a","stream":"x","time":"2024-01-02T03:04:05Z"}"#[..], b"\0\0", b"{}"]
        {
            assert_eq!(parse(line), None);
        }
    }
}
