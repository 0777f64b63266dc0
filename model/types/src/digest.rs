//! Content digests, as the OCI image specification writes them: `algorithm:hex`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hex::{is_hex, push_hex};

/// The hash functions that may name content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, the field's default.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// The text is not a digest that Gantry can verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid digest {0:?}: sha256 or sha512 with lower-case hexadecimal digits is needed")]
pub struct InvalidDigest(String);

/// The digest of some content.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: Algorithm,
    text: String,
}

impl Digest {
    /// The digest whose SHA-256 sum is `sum`.
    pub fn sha256(sum: [u8; 32]) -> Self {
        Self::spelled(Algorithm::Sha256, &sum)
    }

    /// The digest whose SHA-512 sum is `sum`.
    pub fn sha512(sum: [u8; 64]) -> Self {
        Self::spelled(Algorithm::Sha512, &sum)
    }

    fn spelled(algorithm: Algorithm, sum: &[u8]) -> Self {
        let mut text = String::with_capacity(8 + sum.len() * 2);
        text.push_str(algorithm.as_str());
        text.push(':');
        push_hex(&mut text, sum);
        Self { algorithm, text }
    }

    /// The hash function.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal digits after the colon.
    pub fn hex(&self) -> &str {
        &self.text[self.algorithm.as_str().len() + 1..]
    }

    /// The whole text, `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let invalid = || InvalidDigest(text.chars().take(200).collect());
        let (name, hex) = text.split_once(':').ok_or_else(invalid)?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(invalid()),
        };
        if hex.len() == algorithm.hex_len() && is_hex(hex) {
            Ok(Self { algorithm, text: text.to_owned() })
        } else {
            Err(invalid())
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;
    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_and_parses() {
        let digest = Digest::sha256([0xab; 32]);
        assert_eq!(digest.to_string(), format!("sha256:{}", "ab".repeat(32)));
        assert_eq!(digest.hex(), "ab".repeat(32));
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        assert!(format!("sha512:{}", "0".repeat(128)).parse::<Digest>().is_ok());
    }

    #[test]
    fn refuses_what_it_cannot_verify() {
        let cases = ["", "sha256:", "sha256:abc", "md5:00", &format!("sha256:{}", "A".repeat(64))];
        for text in cases {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
