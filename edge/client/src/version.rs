//! Versions of the Engine API: two numbers, compared as numbers.

use std::fmt;
use std::str::FromStr;

/// `major.minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    pub major: u16,
    pub minor: u16,
}

impl ApiVersion {
    /// The newest version that this client speaks.
    pub const NEWEST: Self = Self { major: 1, minor: 55 };
    /// The oldest version that this client speaks.
    pub const OLDEST: Self = Self { major: 1, minor: 40 };
}

/// The text is not `major.minor`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid API version {0:?}: it takes the form 1.50")]
pub struct InvalidVersion(String);

impl FromStr for ApiVersion {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let parse = || {
            let (major, minor) = text.split_once('.')?;
            Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
        };
        parse().ok_or_else(|| InvalidVersion(text.chars().take(20).collect()))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_as_numbers() {
        let version = |text: &str| text.parse::<ApiVersion>().unwrap();
        assert!(version("1.9") < version("1.40"));
        assert_eq!(version("1.55"), ApiVersion::NEWEST);
        for text in ["", "1", "1.", "a.b", "1.50.1"] {
            assert!(text.parse::<ApiVersion>().is_err(), "{text}");
        }
    }
}
