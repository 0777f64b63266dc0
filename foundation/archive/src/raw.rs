//! The 512-byte header block: fields, numbers, checksum. What they mean together is `reader.rs`.
//!
//! Sources: POSIX.1-2017 `pax` (ustar), GNU tar's manual ("Basic Tar Format"), star(5).

/// Bytes in a block; headers and data are padded to whole blocks.
pub(crate) const BLOCK: usize = 512;

/// One block.
pub(crate) type Block = [u8; BLOCK];

/// Why a block is no header.
pub(crate) type Fault = &'static str;

/// Which of tar's dialects the fields behind the checksum follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// No magic: seventh edition Unix.
    V7,
    /// POSIX, with a path prefix of 155 bytes.
    Ustar,
    /// star, with a path prefix of 131 bytes and two times behind it.
    Star,
    /// GNU, without a prefix.
    Gnu,
}

/// A header block whose checksum is right.
pub(crate) struct RawHeader<'a> {
    block: &'a Block,
}

impl<'a> RawHeader<'a> {
    /// Checks the checksum: unsigned, or signed as some historic tars wrote it.
    pub(crate) fn check(block: &'a Block) -> Result<Self, Fault> {
        let header = Self { block };
        let stored = number(&block[148..156])?.ok_or("its checksum field is empty")?;
        let (mut unsigned, mut signed) = (0_i64, 0_i64);
        for (at, &byte) in block.iter().enumerate() {
            let byte = if (148..156).contains(&at) { b' ' } else { byte };
            unsigned += i64::from(byte);
            signed += i64::from(byte.cast_signed());
        }
        if stored == unsigned || stored == signed {
            Ok(header)
        } else {
            Err("no tar header is there (its checksum is wrong)")
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match &self.block[257..265] {
            b"ustar  \0" => Dialect::Gnu,
            [b'u', b's', b't', b'a', b'r', 0, ..] => {
                if &self.block[508..512] == b"tar\0" {
                    Dialect::Star
                } else {
                    Dialect::Ustar
                }
            }
            _ => Dialect::V7,
        }
    }

    pub(crate) fn type_flag(&self) -> u8 {
        self.block[156]
    }

    /// Prefix and name.
    pub(crate) fn path(&self) -> Vec<u8> {
        let name = text(&self.block[0..100]);
        let prefix: &[u8] = match self.dialect() {
            Dialect::Ustar => text(&self.block[345..500]),
            Dialect::Star => text(&self.block[345..476]),
            Dialect::Gnu | Dialect::V7 => b"",
        };
        crate::path::join(prefix, name)
    }

    pub(crate) fn link(&self) -> Vec<u8> {
        text(&self.block[157..257]).to_vec()
    }

    pub(crate) fn mode(&self) -> Result<u32, Fault> {
        let mode = number(&self.block[100..108])?.unwrap_or(0);
        Ok(u32::try_from(mode & 0o7777).unwrap_or(0))
    }

    pub(crate) fn uid(&self) -> Result<i64, Fault> {
        Ok(number(&self.block[108..116])?.unwrap_or(0))
    }

    pub(crate) fn gid(&self) -> Result<i64, Fault> {
        Ok(number(&self.block[116..124])?.unwrap_or(0))
    }

    pub(crate) fn size(&self) -> Result<u64, Fault> {
        let size = number(&self.block[124..136])?.unwrap_or(0);
        u64::try_from(size).map_err(|_| "its size is negative")
    }

    pub(crate) fn modified(&self) -> Result<i64, Fault> {
        Ok(number(&self.block[136..148])?.unwrap_or(0))
    }

    /// Major and minor number. V7 has no such fields.
    pub(crate) fn device(&self) -> Result<(u32, u32), Fault> {
        if self.dialect() == Dialect::V7 {
            return Err("it is a device without numbers");
        }
        let field = |range: std::ops::Range<usize>| {
            let value = number(&self.block[range])?.unwrap_or(0);
            u32::try_from(value).map_err(|_| "its device number is out of range")
        };
        Ok((field(329..337)?, field(337..345)?))
    }
}

/// A text field: up to the first NUL.
pub(crate) fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// A number field: octal digits between spaces and NULs, or GNU's base-256 (two's complement, big
/// endian, first bit set). `None` when the field is empty.
pub(crate) fn number(field: &[u8]) -> Result<Option<i64>, Fault> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base256(field).map(Some),
        _ => octal(field),
    }
}

fn base256(field: &[u8]) -> Result<i64, Fault> {
    // The second bit is the sign; the first one only marks the form.
    let negative = field[0] & 0x40 != 0;
    let mut value: i128 = if negative { -1 } else { 0 };
    for (at, &byte) in field.iter().enumerate() {
        let byte = match (at, negative) {
            (0, false) => byte & 0x7f,
            _ => byte,
        };
        value = (value << 8) | i128::from(byte);
        if i64::try_from(value).is_err() {
            return Err("a number is out of range");
        }
    }
    i64::try_from(value).map_err(|_| "a number is out of range")
}

fn octal(field: &[u8]) -> Result<Option<i64>, Fault> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(start) = field.iter().position(|byte| !is_blank(byte)) else { return Ok(None) };
    let digits = &field[start..];
    let end = digits.iter().position(is_blank).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    // Behind a NUL anything may lie; historic tars left garbage there.
    let rest_is_blank = rest.iter().take_while(|&&byte| byte != 0).all(|&byte| byte == b' ');
    if !rest_is_blank || digits.iter().any(|digit| !(b'0'..=b'7').contains(digit)) {
        return Err("a number is not octal");
    }
    let mut value: i64 = 0;
    for digit in digits {
        value = value
            .checked_mul(8)
            .and_then(|value| value.checked_add(i64::from(digit - b'0')))
            .ok_or("a number is out of range")?;
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_octal() {
        let cases: &[(&[u8], Option<i64>)] = &[
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"77777777777\0", Some(0o77_777_777_777)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"\0\0\0\0", None),
            (b"    ", None),
            (b"12\0garb", Some(0o12)),
        ];
        for (field, value) in cases {
            assert_eq!(number(field), Ok(*value), "{field:?}");
        }
        for field in [&b"0x1f"[..], b"8", b"-1", b"12 34", b"1\x01"] {
            assert!(number(field).is_err(), "{field:?}");
        }
    }

    #[test]
    fn reads_base256() {
        let cases: &[(&[u8], i64)] = &[
            (b"\x80\0\0\0\0\0\x01\0", 256),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", -1),
            (b"\xff\xff\xff\xff\xff\xff\xff\x00", -256),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MAX),
        ];
        for (field, value) in cases {
            assert_eq!(number(field), Ok(Some(*value)), "{field:?}");
        }
        assert!(number(b"\x80\0\0\0\x80\0\0\0\0\0\0\0").is_err());
        assert!(number(b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    }
}
