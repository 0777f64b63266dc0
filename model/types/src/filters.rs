//! The `filters` parameter of the Engine API: keys with sets of values. Which keys a use case knows is its own matter.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};

/// A filter key that the use case does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid filter '{0}'")]
pub struct InvalidFilter(pub String);

/// Keys with sets of values; an absent key restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

impl Filters {
    /// Adds one value, as `--filter key=value` does.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.entry(key.into()).or_default().insert(value.into());
    }

    /// The values for `key`, or `None` when the key does not restrict anything.
    pub fn get(&self, key: &str) -> Option<&BTreeSet<String>> {
        self.0.get(key).filter(|values| !values.is_empty())
    }

    /// Whether nothing is restricted.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(BTreeSet::is_empty)
    }

    /// Whether `key` is absent, or one of its values satisfies `test`.
    pub fn allows(&self, key: &str, test: impl FnMut(&String) -> bool) -> bool {
        self.get(key).is_none_or(|values| values.iter().any(test))
    }

    /// Fails on the first key that is not among `known`.
    pub fn check_keys(&self, known: &[&str]) -> Result<(), InvalidFilter> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(InvalidFilter(key.clone())),
            None => Ok(()),
        }
    }

    /// The keys with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.0.iter().map(|(key, values)| (key.as_str(), values))
    }
}

impl<'de> Deserialize<'de> for Filters {
    /// Takes both of Docker's forms, `{"key":["value"]}` and `{"key":{"value":true}}`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Values {
            List(BTreeSet<String>),
            Map(BTreeMap<String, bool>),
        }
        let map = BTreeMap::<String, Values>::deserialize(deserializer)?;
        let values = |values| match values {
            Values::List(list) => list,
            Values::Map(map) => map.into_iter().filter_map(|(k, on)| on.then_some(k)).collect(),
        };
        Ok(Self(map.into_iter().map(|(key, v)| (key, values(v))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms() {
        let expected = {
            let mut filters = Filters::default();
            filters.insert("label", "a=b");
            filters
        };
        for text in [r#"{"label":["a=b"]}"#, r#"{"label":{"a=b":true,"off":false}}"#] {
            assert_eq!(serde_json::from_str::<Filters>(text).unwrap(), expected, "{text}");
        }
        assert!(serde_json::from_str::<Filters>(r#"{"label":7}"#).is_err());
    }

    #[test]
    fn absent_keys_restrict_nothing() {
        let mut filters = Filters::default();
        assert!(filters.allows("name", |_| false));
        filters.insert("name", "web");
        assert!(!filters.allows("name", |value| value == "db"));
        assert_eq!(filters.check_keys(&["id"]), Err(InvalidFilter("name".into())));
    }
}
