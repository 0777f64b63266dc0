//! D-Bus messages as bytes, little-endian: the few types that systemd's manager needs (D-Bus Specification, "Message Protocol").

use std::io;

/// What a message is.
pub(super) const METHOD_CALL: u8 = 1;
pub(super) const ERROR: u8 = 3;
pub(super) const SIGNAL: u8 = 4;

/// Bytes of a message before its header fields.
pub(super) const FIXED_BYTES: usize = 16;
/// The specification allows more; nothing that we ask for comes near.
const SIZE_LIMIT_BYTES: usize = 1 << 20;

/// Writes values one after the other, each at its alignment.
#[derive(Debug, Default)]
pub(super) struct Encoder(Vec<u8>);

impl Encoder {
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.number(value.into());
    }

    pub(super) fn number(&mut self, value: u32) {
        self.align(4);
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn long(&mut self, value: u64) {
        self.align(8);
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn string(&mut self, value: &str) {
        self.number(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend(value.as_bytes());
        self.0.push(0);
    }

    pub(super) fn signature(&mut self, value: &str) {
        self.0.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        self.0.extend(value.as_bytes());
        self.0.push(0);
    }

    /// A value with its type in front.
    pub(super) fn variant(&mut self, kind: &str, fill: impl FnOnce(&mut Self)) {
        self.signature(kind);
        fill(self);
    }

    /// The length in front does not count the padding before the first element.
    pub(super) fn array(&mut self, alignment: usize, fill: impl FnOnce(&mut Self)) {
        self.number(0);
        let length_at = self.0.len() - 4;
        self.align(alignment);
        let start = self.0.len();
        fill(self);
        let length = u32::try_from(self.0.len() - start).unwrap_or(u32::MAX);
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Structures begin at eight bytes.
    pub(super) fn structure(&mut self, fill: impl FnOnce(&mut Self)) {
        self.align(8);
        fill(self);
    }
}

/// A method call on systemd's manager, or on the bus itself.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub destination: &'a str,
    pub path: &'a str,
    pub interface: &'a str,
    pub member: &'a str,
    pub signature: &'a str,
    pub body: Vec<u8>,
}

impl Call<'_> {
    pub(super) fn encode(&self, serial: u32) -> Vec<u8> {
        let mut message = Encoder(vec![b'l', METHOD_CALL, 0, 1]);
        message.number(u32::try_from(self.body.len()).unwrap_or(u32::MAX));
        message.number(serial);
        message.array(8, |fields| {
            let mut field = |code: u8, kind: &str, value: &str| {
                fields.structure(|field| {
                    field.0.push(code);
                    field.signature(kind);
                    if kind == "g" { field.signature(value) } else { field.string(value) }
                });
            };
            field(1, "o", self.path);
            field(2, "s", self.interface);
            field(3, "s", self.member);
            field(6, "s", self.destination);
            if !self.signature.is_empty() {
                field(8, "g", self.signature);
            }
        });
        message.align(8);
        message.0.extend(&self.body);
        message.0
    }
}

/// What came in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Incoming {
    pub kind: u8,
    pub reply_to: u32,
    pub member: String,
    pub error: String,
    pub body: Vec<u8>,
}

/// How many bytes follow the fixed ones.
pub(super) fn rest_bytes(fixed: &[u8; FIXED_BYTES]) -> io::Result<usize> {
    if fixed[0] != b'l' || fixed[3] != 1 {
        return Err(damaged());
    }
    let mut decoder = Decoder { bytes: fixed, at: 4 };
    let body = length(decoder.number()?)?;
    decoder.at = 12;
    let fields = length(decoder.number()?)?;
    Ok(fields.next_multiple_of(8) + body)
}

impl Incoming {
    /// From a whole message, as long as [`rest_bytes`] says.
    pub(super) fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut decoder = Decoder { bytes, at: 12 };
        let mut incoming = Self { kind: *bytes.get(1).ok_or_else(damaged)?, ..Self::default() };
        let end = FIXED_BYTES + length(decoder.number()?)?;
        while decoder.at < end {
            decoder.align(8);
            let code = decoder.byte()?;
            let kind = decoder.signature()?;
            match kind.as_str() {
                "s" | "o" => {
                    let text = decoder.string()?;
                    match code {
                        3 => incoming.member = text,
                        4 => incoming.error = text,
                        _ => {}
                    }
                }
                "u" => {
                    let number = decoder.number()?;
                    if code == 5 {
                        incoming.reply_to = number;
                    }
                }
                "g" => drop(decoder.signature()?),
                _ => return Err(damaged()),
            }
        }
        decoder.align(8);
        incoming.body = bytes.get(decoder.at..).ok_or_else(damaged)?.to_vec();
        Ok(incoming)
    }

    pub(super) fn reader(&self) -> Decoder<'_> {
        Decoder { bytes: &self.body, at: 0 }
    }
}

/// Reads values one after the other.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Decoder<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        let taken = self.bytes.get(self.at..self.at + count).ok_or_else(damaged)?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn number(&mut self) -> io::Result<u32> {
        self.align(4);
        let bytes = self.take(4)?.try_into().map_err(|_| damaged())?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn string(&mut self) -> io::Result<String> {
        let count = length(self.number()?)?;
        self.text(count)
    }

    /// The text in a variant.
    pub(super) fn variant_string(&mut self) -> io::Result<String> {
        if self.signature()? == "s" { self.string() } else { Err(damaged()) }
    }

    fn signature(&mut self) -> io::Result<String> {
        let count = self.byte()?.into();
        self.text(count)
    }

    fn text(&mut self, count: usize) -> io::Result<String> {
        let text = String::from_utf8(self.take(count)?.to_vec()).map_err(|_| damaged())?;
        if self.byte()? == 0 { Ok(text) } else { Err(damaged()) }
    }
}

fn length(number: u32) -> io::Result<usize> {
    usize::try_from(number).ok().filter(|length| *length <= SIZE_LIMIT_BYTES).ok_or_else(damaged)
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the bus sent a message that makes no sense")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call<'static> {
        let mut body = Encoder::default();
        body.string("x");
        Call {
            destination: "a.b",
            path: "/p",
            interface: "i.j",
            member: "M",
            signature: "s",
            body: body.finish(),
        }
    }

    #[test]
    fn a_call_has_the_bytes_of_the_specification() {
        let bytes = call().encode(7);
        assert_eq!(bytes[..16], [b'l', 1, 0, 1, 6, 0, 0, 0, 7, 0, 0, 0, 71, 0, 0, 0]);
        // The first field: code 1, signature "o", the path.
        assert_eq!(bytes[16..27], [1, 1, b'o', 0, 2, 0, 0, 0, b'/', b'p', 0]);
        assert_eq!(bytes.len(), 16 + 72 + 6);
        assert_eq!(bytes[88..], [1, 0, 0, 0, b'x', 0]);
        let fixed = bytes[..16].try_into().unwrap();
        assert_eq!(rest_bytes(&fixed).unwrap(), bytes.len() - 16);
        let incoming = Incoming::decode(&bytes).unwrap();
        assert_eq!((incoming.kind, incoming.member.as_str()), (METHOD_CALL, "M"));
        assert_eq!(incoming.reader().string().unwrap(), "x");
    }

    #[test]
    fn an_empty_array_is_padded_to_its_elements() {
        let mut encoder = Encoder::default();
        encoder.array(8, |_| ());
        assert_eq!(encoder.finish(), [0; 8]);
    }

    #[test]
    fn damaged_messages_are_errors() {
        let bytes = call().encode(1);
        for end in 0..88 {
            assert!(Incoming::decode(&bytes[..end]).is_err(), "{end} bytes were enough");
        }
        let mut fixed: [u8; 16] = bytes[..16].try_into().unwrap();
        fixed[7] = 0xff;
        assert!(rest_bytes(&fixed).is_err(), "a size without limit");
        fixed[0] = b'B';
        assert!(rest_bytes(&fixed).is_err());
    }
}
