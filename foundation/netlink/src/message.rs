//! The bytes of netlink messages: headers, bodies and attributes, each padded to four bytes. Nothing here does I/O.

/// A message's header (`struct nlmsghdr`): length, kind, flags, sequence, port.
const HEADER: usize = 16;
/// An attribute's header (`struct nlattr`): length, kind.
const ATTRIBUTE_HEADER: usize = 4;
/// The upper bits of an attribute's kind say that it is nested and in which byte order; they are no part of its number.
const KIND_MASK: u16 = 0x3fff;
const NESTED: u16 = 0x8000;

/// One request on its way to the kernel.
#[derive(Debug, Clone)]
pub struct Request {
    bytes: Vec<u8>,
    what: String,
}

impl Request {
    /// `what` names the step in errors, as in `move the device eth0`.
    pub fn new(kind: u16, flags: u16, what: impl Into<String>) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Self { bytes, what: what.into() }
    }

    /// The fixed structure that follows the header, such as `struct ifinfomsg`.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.bytes.extend_from_slice(body);
        self.pad();
        self
    }

    /// An attribute of at most 65531 bytes; a longer value is cut, and the kernel refuses the message.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&value[..usize::from(length) - ATTRIBUTE_HEADER]);
        self.pad();
        self
    }

    #[must_use]
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// A number as the packet filter's attributes have it: big end first.
    #[must_use]
    pub fn number_be(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// A text with the NUL byte that the kernel wants at its end.
    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes)
    }

    /// An attribute that holds attributes.
    #[must_use]
    pub fn nested(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        let mut filled = fill(self);
        let length = u16::try_from(filled.bytes.len() - start).unwrap_or(u16::MAX);
        filled.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        filled
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Adds the finished message, with this sequence number and further flags, to a batch.
    pub(crate) fn write_to(&self, batch: &mut Vec<u8>, sequence: u32, flags: u16) {
        let start = batch.len();
        batch.extend_from_slice(&self.bytes);
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let own = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]);
        batch[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        batch[start + 6..start + 8].copy_from_slice(&(own | flags).to_ne_bytes());
        batch[start + 8..start + 12].copy_from_slice(&sequence.to_ne_bytes());
    }

    fn pad(&mut self) {
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }
}

/// One message of the kernel's.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    /// The socket that it answers, or whose doing it tells of.
    pub port: u32,
    /// All after the header.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The first message of what was received, and the rest. `None` at the end, and where the bytes are no message.
    pub fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let header = bytes.get(..HEADER)?;
        let length = usize::try_from(u32_at(header, 0)?).ok()?;
        let payload = bytes.get(HEADER..length)?;
        let message = Self {
            kind: u16_at(header, 4)?,
            flags: u16_at(header, 6)?,
            sequence: u32_at(header, 8)?,
            port: u32_at(header, 12)?,
            payload,
        };
        Some((message, bytes.get(aligned(length)..).unwrap_or_default()))
    }

    /// The attributes behind a fixed structure of `body` bytes.
    pub fn attributes(&self, body: usize) -> Attributes<'a> {
        Attributes(self.payload.get(aligned(body)..).unwrap_or_default())
    }
}

/// Kinds and values, as far as the bytes make sense.
#[derive(Debug, Clone)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Of an attribute that holds others.
    pub fn of(value: &'a [u8]) -> Self {
        Self(value)
    }

    /// The first value of a kind.
    pub fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.clone().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    pub fn number(&self, kind: u16) -> Option<u32> {
        u32_at(self.get(kind)?, 0)
    }

    /// A text up to its NUL byte; one that is not UTF-8 is not there.
    pub fn text(&self, kind: u16) -> Option<&'a str> {
        let value = self.get(kind)?;
        let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
        std::str::from_utf8(&value[..end]).ok()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & KIND_MASK;
        let value = self.0.get(ATTRIBUTE_HEADER..length)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

const fn aligned(length: usize) -> usize {
    (length + 3) & !3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let request = Request::new(18, 1, "test")
            .body(&[7; 16])
            .text(3, "eth0")
            .number(4, 1500)
            .nested(18, |inner| inner.text(1, "veth").nested(2, |deep| deep.number(9, 5)));
        let mut batch = Vec::new();
        request.write_to(&mut batch, 41, 4);
        request.write_to(&mut batch, 42, 4);
        let (first, rest) = Message::split(&batch).unwrap();
        assert_eq!((first.kind, first.flags, first.sequence), (18, 5, 41));
        let attributes = first.attributes(16);
        assert_eq!(attributes.text(3), Some("eth0"));
        assert_eq!(attributes.number(4), Some(1500));
        let info = Attributes::of(attributes.get(18).unwrap());
        assert_eq!(info.text(1), Some("veth"));
        assert_eq!(Attributes::of(info.get(2).unwrap()).number(9), Some(5));
        let (second, rest) = Message::split(rest).unwrap();
        assert_eq!(second.sequence, 42);
        assert!(rest.is_empty() && Message::split(rest).is_none());
    }

    #[test]
    fn cut_and_hostile_bytes_end_the_reading() {
        let mut batch = Vec::new();
        Request::new(1, 0, "test").body(&[0; 4]).number(4, 9).write_to(&mut batch, 0, 0);
        for length in 0..batch.len() {
            assert!(Message::split(&batch[..length]).is_none(), "{length}");
        }
        // A length below the header's, and one past the end.
        for length in [0_u32, 3, 15, 1 << 20] {
            let mut bad = batch.clone();
            bad[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(Message::split(&bad).is_none(), "{length}");
        }
        for bytes in [&[0, 0, 0, 0][..], &[3, 0, 1, 0], &[9, 0, 1, 0, 1], &[4]] {
            assert_eq!(Attributes::of(bytes).count(), 0, "{bytes:?}");
        }
    }
}
