//! Container names, by Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not a container name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid container name ({0}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
pub struct InvalidName(String);

/// A container's name, without the slash that the Engine API puts before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerName(String);

impl ContainerName {
    /// The longest name, so that it fits into a path component and a DNS answer.
    pub const MAX_LEN: usize = 255;

    /// The name without a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerName {
    type Err = InvalidName;

    /// Takes a name with or without the API's leading slash.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let name = text.strip_prefix('/').unwrap_or(text);
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let valid = (2..=Self::MAX_LEN).contains(&name.len())
            && name.as_bytes()[0].is_ascii_alphanumeric()
            && name.bytes().all(allowed);
        if valid { Ok(Self(name.to_owned())) } else { Err(InvalidName(text.to_owned())) }
    }
}

impl TryFrom<String> for ContainerName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ContainerName> for String {
    fn from(name: ContainerName) -> String {
        name.0
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_rule() {
        for name in ["web", "a1", "A_b.c-d", "/web"] {
            assert!(name.parse::<ContainerName>().is_ok(), "{name}");
        }
        for name in ["", "a", "-a", ".a", "a b", "a/b", "ä1", "//a", &"x".repeat(256)] {
            assert!(name.parse::<ContainerName>().is_err(), "{name}");
        }
    }
}
