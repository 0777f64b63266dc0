//! Sizes in bytes as people write them: `512m`, `1.5g`, `64k`, binary multiples, as Docker's flags take them.

use std::fmt;
use std::str::FromStr;

/// The text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid size: '{0}'")]
pub struct InvalidSize(String);

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ByteSize(u64);

impl ByteSize {
    /// The size of `bytes` bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = InvalidSize;

    /// Takes `<number>[b|k|m|g|t|p][i][b]` in either case, with an optional fraction; units are powers of 1024.
    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let invalid = || InvalidSize(text.to_owned());
        let trimmed = text.trim();
        let digits =
            trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let shift = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            "p" | "pb" | "pib" => 50,
            _ => return Err(invalid()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.len() > 9 || fraction.contains('.') {
            return Err(invalid());
        }
        let whole: u64 = whole.parse().map_err(|_| invalid())?;
        let whole = whole.checked_mul(1 << shift).ok_or_else(invalid)?;
        let part = if fraction.is_empty() {
            0
        } else {
            let digits: u128 = fraction.parse().map_err(|_| invalid())?;
            let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| invalid())?);
            u64::try_from((digits << shift) / scale).map_err(|_| invalid())?
        };
        whole.checked_add(part).map(Self).ok_or_else(invalid)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units() {
        let cases = [
            ("0", 0),
            ("1024", 1024),
            ("64k", 65_536),
            ("512m", 536_870_912),
            ("1.5g", 1_610_612_736),
            ("1GiB", 1_073_741_824),
            ("10 MB", 10_485_760),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse::<ByteSize>().map(ByteSize::bytes), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn refuses_other_texts() {
        for text in ["", "m", "-1", "1x", "1.2.3m", "99999999999999999999", "99999999p", ".5g"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }
}
