//! Ids of containers, exec sessions, networks and endpoints: 64 lower-case hexadecimal digits, as Docker has them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hex::{is_hex, push_hex};

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid id {0:?}: 64 lower-case hexadecimal digits are needed")]
pub struct InvalidId(String);

fn is_id(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id that 32 random bytes spell.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                let mut text = String::with_capacity(64);
                push_hex(&mut text, &bytes);
                Self(text)
            }

            /// All 64 digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first 12 digits, as lists show them.
            pub fn short(&self) -> &str {
                &self.0[..12]
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_id(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId(text.to_owned())) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                if is_id(&text) { Ok(Self(text)) } else { Err(InvalidId(text)) }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.short())
            }
        }
    };
}

id_type! {
    /// The id of a container.
    ContainerId
}
id_type! {
    /// The id of an exec session.
    ExecId
}
id_type! {
    /// The id of a network.
    NetworkId
}
id_type! {
    /// The id of a container's place in a network.
    EndpointId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_bytes_in_hexadecimal() {
        let id = ContainerId::from_bytes([0x0f; 32]);
        assert_eq!(id.as_str(), "0f".repeat(32));
        assert_eq!(id.short(), "0f0f0f0f0f0f");
    }

    #[test]
    fn refuses_other_texts() {
        for text in ["", "abc", &"g".repeat(64), &"A".repeat(64), &"a".repeat(65)] {
            assert!(text.parse::<ContainerId>().is_err(), "{text}");
        }
    }
}
