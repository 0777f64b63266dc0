//! A context in its parts: `user:role:type:level`, where the level is left out by policies without them.

use std::fmt;
use std::str::FromStr;

/// A label in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    pub user: String,
    pub role: String,
    pub kind: String,
    /// `sensitivity:categories`, or a range of two of these; empty where the policy has no levels.
    pub level: String,
}

impl FromStr for Context {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(4, ':').map(str::to_owned);
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (Some(user), Some(role), Some(kind)) = (next(), next(), next()) else {
            return Err(format!("{text:?} is no context: it takes the form user:role:type:level"));
        };
        if text.contains(['\0', '\n', '"']) {
            return Err(format!("{text:?} is no context: it holds a quote or a line break"));
        }
        Ok(Self { user, role, kind, level: next().unwrap_or_default() })
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, role, kind, level } = self;
        write!(f, "{user}:{role}:{kind}")?;
        if level.is_empty() { Ok(()) } else { write!(f, ":{level}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_as_they_were() {
        for text in ["u:r:t", "u:r:t:s0", "u:object_r:t:s0:c1,c2", "u:r:t:s0-s0:c0.c1023"] {
            assert_eq!(text.parse::<Context>().unwrap().to_string(), text);
        }
        let context: Context = "u:r:t:s0:c1,c2".parse().unwrap();
        assert_eq!((&*context.kind, &*context.level), ("t", "s0:c1,c2"));
        for text in ["", "u:r", "u::t", "u:r:t:s0\n", "u:r:t\"x"] {
            assert!(text.parse::<Context>().is_err(), "{text:?}");
        }
    }
}
