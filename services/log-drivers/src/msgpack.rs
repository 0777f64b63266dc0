//! `MessagePack`, as far as the forward protocol needs it: writing of maps, texts, numbers and event times, and reading of one
//! short answer. Follows <https://github.com/msgpack/msgpack/blob/master/spec.md>.

/// Appends values to a message.
#[derive(Debug, Default)]
pub(crate) struct Packer(pub(crate) Vec<u8>);

impl Packer {
    /// `count` values follow.
    pub(crate) fn array(&mut self, count: u8) {
        debug_assert!(count < 16, "no longer ones are made");
        self.0.push(0x90 | count);
    }

    /// `count` pairs of values follow.
    pub(crate) fn map(&mut self, count: usize) {
        match u16::try_from(count) {
            Ok(count @ 0..16) => self.0.push(0x80 | count.to_be_bytes()[1]),
            Ok(count) => {
                self.0.push(0xde);
                self.0.extend_from_slice(&count.to_be_bytes());
            }
            Err(_) => self.long(0xdf, count),
        }
    }

    pub(crate) fn text(&mut self, text: &[u8]) {
        match (u8::try_from(text.len()), u16::try_from(text.len())) {
            (Ok(length @ 0..32), _) => self.0.push(0xa0 | length),
            (Ok(length), _) => self.0.extend_from_slice(&[0xd9, length]),
            (_, Ok(length)) => {
                self.0.push(0xda);
                self.0.extend_from_slice(&length.to_be_bytes());
            }
            _ => self.long(0xdb, text.len()),
        }
        self.0.extend_from_slice(text);
    }

    fn long(&mut self, kind: u8, length: usize) {
        self.0.push(kind);
        // No message is that long.
        self.0.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }

    pub(crate) fn integer(&mut self, number: i64) {
        self.0.push(0xd3);
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// The forward protocol's `EventTime`: seconds and nanoseconds.
    pub(crate) fn event_time(&mut self, seconds: u32, nanos: u32) {
        self.0.extend_from_slice(&[0xd7, 0]);
        self.0.extend_from_slice(&seconds.to_be_bytes());
        self.0.extend_from_slice(&nanos.to_be_bytes());
    }
}

/// The value of the key `ack` in an answer, and how long the answer is; `None` while there is not all of it.
pub(crate) fn ack(bytes: &[u8]) -> Option<Result<(String, usize), &'static str>> {
    const WRONG: Result<(String, usize), &str> = Err("the answer is no acknowledgement");
    let (first, rest) = bytes.split_first()?;
    if *first != 0x81 {
        return Some(WRONG);
    }
    let Ok((key, rest)) = text(rest)? else {
        return Some(WRONG);
    };
    if key != b"ack" {
        return Some(WRONG);
    }
    match text(rest)? {
        Ok((value, rest)) => {
            let value = String::from_utf8_lossy(value).into_owned();
            Some(Ok((value, bytes.len() - rest.len())))
        }
        Err(()) => Some(WRONG),
    }
}

/// What was taken, and the rest.
type Split<'a> = (&'a [u8], &'a [u8]);

/// A text or bytes of up to 64 KiB, and what follows.
fn text(bytes: &[u8]) -> Option<Result<Split<'_>, ()>> {
    let (kind, rest) = bytes.split_first()?;
    let (length, rest) = match kind {
        0xa0..=0xbf => (usize::from(kind & 0x1f), rest),
        0xd9 | 0xc4 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0xda | 0xc5 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return Some(Err(())),
    };
    rest.split_at_checked(length).map(Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_shortest_form() {
        let mut packer = Packer::default();
        packer.array(4);
        packer.text(b"tag");
        packer.integer(-2);
        packer.map(1);
        packer.text(&[b'x'; 40]);
        packer.text(b"");
        packer.event_time(1, 2);
        let expected = [
            &b"\x94\xa3tag\xd3\xff\xff\xff\xff\xff\xff\xff\xfe\x81\xd9\x28"[..],
            &[b'x'; 40],
            b"\xa0\xd7\x00\0\0\0\x01\0\0\0\x02",
        ];
        assert_eq!(packer.0, expected.concat());
        let mut long = Packer::default();
        long.text(&vec![b'y'; 70_000]);
        assert_eq!(long.0[..5], [0xdb, 0, 1, 0x11, 0x70]);
    }

    #[test]
    fn acknowledgements_are_read() {
        let whole = b"\x81\xa3ack\xa4abcd";
        assert_eq!(ack(whole), Some(Ok(("abcd".to_owned(), 10))));
        for cut in 0..whole.len() {
            assert_eq!(ack(&whole[..cut]), None, "cut at {cut}");
        }
        for wrong in [&b"\x80"[..], b"\x81\xa3nak\xa1x", b"\x81\x01", b"HTTP/1.1 400"] {
            assert!(matches!(ack(wrong), Some(Err(_))));
        }
    }
}
