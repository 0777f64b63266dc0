//! How each Rust type of a message's field is written and read. Which fields there are, is not
//! decided here.

use crate::{
    Error, Field, Fields, Message, Payload, put_bytes_field, put_varint, put_varint_field, unpack,
};
use gantry_types::Timestamp;
use std::collections::BTreeMap;

/// A type that a message field can have.
pub trait Value {
    /// Appends the field, unless it has its type's default value.
    fn write(&self, number: u32, out: &mut Vec<u8>);
    /// Takes the value in; what is repeated is added.
    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error>;
}

impl Value for String {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if !self.is_empty() {
            put_bytes_field(out, number, self.as_bytes());
        }
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        field.text()?.clone_into(self);
        Ok(())
    }
}

impl Value for Vec<u8> {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if !self.is_empty() {
            put_bytes_field(out, number, self);
        }
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        field.bytes()?.clone_into(self);
        Ok(())
    }
}

impl Value for bool {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if *self {
            put_varint_field(out, number, 1);
        }
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        *self = field.varint()? != 0;
        Ok(())
    }
}

impl Value for u32 {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        u64::from(*self).write(number, out);
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        let value = field.varint()?;
        *self = value.try_into().map_err(|_| Error::OutOfRange { field: field.number, value })?;
        Ok(())
    }
}

impl Value for u64 {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if *self != 0 {
            put_varint_field(out, number, *self);
        }
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        *self = field.varint()?;
        Ok(())
    }
}

// Negative numbers of proto3's int32 and int64 are sign-extended to ten bytes.
impl Value for i64 {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        self.cast_unsigned().write(number, out);
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        *self = field.varint()?.cast_signed();
        Ok(())
    }
}

impl Value for i32 {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        i64::from(*self).write(number, out);
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        let value = field.varint()?;
        *self = value
            .cast_signed()
            .try_into()
            .map_err(|_| Error::OutOfRange { field: field.number, value })?;
        Ok(())
    }
}

/// For protocols that tell a zero from nothing (proto2, or `optional` in proto3).
impl Value for Option<u32> {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if let Some(value) = self {
            put_varint_field(out, number, (*value).into());
        }
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        let mut value = 0_u32;
        value.merge(field)?;
        *self = Some(value);
        Ok(())
    }
}

impl<M: Message> Value for Option<M> {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if let Some(message) = self {
            put_bytes_field(out, number, &message.encode());
        }
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        *self = Some(M::decode(field.bytes()?)?);
        Ok(())
    }
}

impl<M: Message> Value for Vec<M> {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        for message in self {
            put_bytes_field(out, number, &message.encode());
        }
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        self.push(M::decode(field.bytes()?)?);
        Ok(())
    }
}

/// Packed, as proto3 writes numbers; one by one is understood as well.
impl Value for Vec<u64> {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if !self.is_empty() {
            let mut packed = Vec::new();
            for &value in self {
                put_varint(&mut packed, value);
            }
            put_bytes_field(out, number, &packed);
        }
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        match field.payload {
            Payload::Bytes(packed) => self.extend(unpack(packed)?),
            _ => self.push(field.varint()?),
        }
        Ok(())
    }
}

impl Value for Vec<String> {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        for text in self {
            put_bytes_field(out, number, text.as_bytes());
        }
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        self.push(field.text()?.to_owned());
        Ok(())
    }
}

impl Value for BTreeMap<String, String> {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        for (key, value) in self {
            let mut entry = Vec::new();
            key.write(1, &mut entry);
            value.write(2, &mut entry);
            put_bytes_field(out, number, &entry);
        }
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        let (mut key, mut value) = (String::new(), String::new());
        for part in Fields::new(field.bytes()?) {
            let part = part?;
            match part.number {
                1 => key.merge(&part)?,
                2 => value.merge(&part)?,
                _ => {}
            }
        }
        self.insert(key, value);
        Ok(())
    }
}

// google.protobuf.Timestamp { int64 seconds = 1; int32 nanos = 2; }
impl Value for Option<Timestamp> {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if let Some(time) = self {
            let mut inner = Vec::new();
            time.seconds.write(1, &mut inner);
            time.nanos.write(2, &mut inner);
            put_bytes_field(out, number, &inner);
        }
    }

    fn merge(&mut self, field: &Field<'_>) -> Result<(), Error> {
        let (mut seconds, mut nanos) = (0_i64, 0_u32);
        for part in Fields::new(field.bytes()?) {
            let part = part?;
            match part.number {
                1 => seconds.merge(&part)?,
                2 => nanos.merge(&part)?,
                _ => {}
            }
        }
        if nanos >= 1_000_000_000 {
            return Err(Error::OutOfRange { field: 2, value: nanos.into() });
        }
        *self = Some(Timestamp { seconds, nanos });
        Ok(())
    }
}
