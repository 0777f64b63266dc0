//! Names of volumes, by Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text names no volume. Docker's texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("volume name is too short, names should be at least two alphanumeric characters")]
    Short,
    #[error("{0:?} is longer than the {max} characters that a volume's name may have", max = VolumeName::MAX_LEN)]
    Long(String),
    #[error(
        "{0:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you \
         intended to pass a host directory, use absolute path"
    )]
    Characters(String),
}

/// A volume's name. It is one component of a path, and none that is hidden.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumeName(String);

impl VolumeName {
    /// What a directory's name may have.
    pub const MAX_LEN: usize = 255;

    /// A name that nobody chose: 64 hexadecimal digits of these bytes.
    pub fn anonymous(random: [u8; 32]) -> Self {
        let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
        Self(random.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VolumeName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if text.len() == 1 && begins {
            return Err(InvalidName::Short);
        }
        if !begins || !text.bytes().all(allowed) {
            return Err(InvalidName::Characters(text.to_owned()));
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidName::Long(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for VolumeName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<VolumeName> for String {
    fn from(name: VolumeName) -> String {
        name.0
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_single_components() {
        for good in ["ab", "a.b", "A-1_2", "0x", &"a".repeat(255)] {
            assert_eq!(good.parse::<VolumeName>().unwrap().as_str(), good);
        }
        for bad in ["", "a", ".a", "..", "-a", "a/b", "a b", "/ab", "ä1", "a\0", &"a".repeat(256)]
        {
            assert!(bad.parse::<VolumeName>().is_err(), "{bad:?}");
        }
        assert_eq!(VolumeName::anonymous([0xab; 32]).as_str(), "ab".repeat(32));
    }
}
