//! A small protobuf codec: the proto3 wire format, the trait every message implements, and the
//! macro that declares messages. Which messages there are is told by those who speak them.
//!
//! Follows <https://protobuf.dev/programming-guides/encoding/>. Decoding is strict: wire types must
//! fit, text must be UTF-8, varints must fit their fields; unknown fields are skipped. It never
//! panics and never recurses deeper than the message types themselves nest.

mod error;
mod value;

pub use error::Error;
pub use value::Value;

/// More fields than this in one message (repeated ones counted each) are refused: it bounds what a
/// frame of many tiny entries costs in memory.
pub const MAX_FIELDS: usize = 65_536;

const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;

/// One protobuf message.
pub trait Message: Default {
    /// Appends the encoded fields; fields with default values are left out, as proto3 does.
    fn encode_into(&self, out: &mut Vec<u8>);

    /// Takes one field; a number the message does not know is ignored.
    fn merge_field(&mut self, field: &Field<'_>) -> Result<(), Error>;

    /// The message as bytes.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// Parses `bytes`, all of them.
    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut message = Self::default();
        for (count, field) in Fields::new(bytes).enumerate() {
            if count >= MAX_FIELDS {
                return Err(Error::TooManyFields(MAX_FIELDS));
            }
            message.merge_field(&field?)?;
        }
        Ok(message)
    }
}

/// A field as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field's number in the message.
    pub number: u32,
    /// Its undecoded value.
    pub payload: Payload<'a>,
}

/// The four wire types of proto3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Field<'a> {
    fn wire_type_error(&self) -> Error {
        let wire_type = match self.payload {
            Payload::Varint(_) => 0,
            Payload::Fixed64(_) => 1,
            Payload::Bytes(_) => 2,
            Payload::Fixed32(_) => 5,
        };
        Error::WireType { field: self.number, wire_type }
    }

    /// The value of a varint field.
    pub fn varint(&self) -> Result<u64, Error> {
        match self.payload {
            Payload::Varint(value) => Ok(value),
            _ => Err(self.wire_type_error()),
        }
    }

    /// The bytes of a length-delimited field.
    pub fn bytes(&self) -> Result<&'a [u8], Error> {
        match self.payload {
            Payload::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wire_type_error()),
        }
    }

    /// The text of a length-delimited field.
    pub fn text(&self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::NotUtf8(self.number))
    }
}

/// Walks the fields of an encoded message; stops after the first error.
#[derive(Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Fields of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, length: u64, what: &'static str) -> Result<&'a [u8], Error> {
        let length = usize::try_from(length).map_err(|_| Error::Truncated(what))?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Error::Truncated(what))?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_varint(&mut self) -> Result<u64, Error> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Error::Truncated("a varint"))?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Error::VarintOverflow);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Error::VarintOverflow)
    }

    fn take_fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) =
            self.rest.split_first_chunk::<N>().ok_or(Error::Truncated("a fixed number"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn take_field(&mut self) -> Result<Field<'a>, Error> {
        let key = self.take_varint()?;
        let number = key >> 3;
        if number == 0 || number > MAX_FIELD_NUMBER {
            return Err(Error::FieldNumber(number));
        }
        // Checked above: it is below 2^29.
        let number = u32::try_from(number).map_err(|_| Error::FieldNumber(number))?;
        let payload = match (key & 7) as u8 {
            0 => Payload::Varint(self.take_varint()?),
            1 => Payload::Fixed64(u64::from_le_bytes(self.take_fixed()?)),
            2 => {
                let length = self.take_varint()?;
                Payload::Bytes(self.take(length, "a length-delimited field")?)
            }
            5 => Payload::Fixed32(u32::from_le_bytes(self.take_fixed()?)),
            // Groups (3 and 4) are gone from proto3; 6 and 7 never were.
            other => return Err(Error::WireType { field: number, wire_type: other }),
        };
        Ok(Field { number, payload })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.take_field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// The numbers of a packed field.
fn unpack(packed: &[u8]) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    let mut rest = Fields::new(packed);
    while !rest.rest.is_empty() {
        numbers.push(rest.take_varint()?);
    }
    Ok(numbers)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, u64::from(number) << 3);
    put_varint(out, value);
}

fn put_bytes_field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Declares protobuf messages: each field with its number, as in a `.proto` file.
#[macro_export]
macro_rules! messages {
    ($(
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $number:literal => $field:ident: $kind:ty, )+
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        $visibility struct $name {
            $( $(#[$field_meta])* pub $field: $kind, )+
        }

        impl $crate::Message for $name {
            fn encode_into(&self, out: &mut Vec<u8>) {
                $( $crate::Value::write(&self.$field, $number, out); )+
            }

            fn merge_field(&mut self, field: &$crate::Field<'_>) -> Result<(), $crate::Error> {
                match field.number {
                    $( $number => $crate::Value::merge(&mut self.$field, field), )+
                    _ => Ok(()),
                }
            }
        }
    )*};
}

#[cfg(test)]
mod tests;
