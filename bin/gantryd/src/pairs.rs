//! `NAME=VALUE`: given one by one as flags, and as one object in the file.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair<T> {
    pub name: String,
    pub value: T,
}

impl<T: FromStr<Err: Display>> FromStr for Pair<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                let value = value.parse().map_err(|error| format!("{name}: {error}"))?;
                Ok(Self { name: name.to_owned(), value })
            }
            _ => Err("NAME=VALUE is needed".to_owned()),
        }
    }
}

/// All of them, by name; of two with the same name the later.
pub(crate) fn map<T>(pairs: Option<Vec<Pair<T>>>) -> BTreeMap<String, T> {
    pairs.into_iter().flatten().map(|pair| (pair.name, pair.value)).collect()
}

/// For `#[serde(with = "pairs")]`.
#[expect(clippy::ref_option, reason = "serde asks for it in this form")]
pub(crate) fn serialize<T: Serialize, S: Serializer>(
    pairs: &Option<Vec<Pair<T>>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let map = pairs.as_ref().map(|pairs| {
        pairs.iter().map(|pair| (&pair.name, &pair.value)).collect::<BTreeMap<_, _>>()
    });
    map.serialize(serializer)
}

/// For `#[serde(with = "pairs")]`.
pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Pair<T>>>, D::Error> {
    let map: Option<BTreeMap<String, T>> = Deserialize::deserialize(deserializer)?;
    Ok(map.map(|map| map.into_iter().map(|(name, value)| Pair { name, value }).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_a_name() {
        let pair: Pair<bool> = "cdi=true".parse().unwrap();
        assert_eq!((pair.name.as_str(), pair.value), ("cdi", true));
        let pair: Pair<String> = "tag={{.Name}}=x".parse().unwrap();
        assert_eq!(pair.value, "{{.Name}}=x");
        for text in ["", "x", "=x"] {
            text.parse::<Pair<String>>().unwrap_err();
        }
        assert!("cdi=maybe".parse::<Pair<bool>>().unwrap_err().starts_with("cdi: "));
    }
}
