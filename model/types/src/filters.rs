//! The `filters` parameter of the Engine API: keys with sets of values. Which keys a use case knows is its own matter.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};

use crate::{Timestamp, duration_nanos};

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

    /// Whether `labels` have every label that `key` asks for, each `name` or `name=value`.
    pub fn has_labels(&self, key: &str, labels: &BTreeMap<String, String>) -> bool {
        let has = |wanted: &String| match wanted.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|own| own == value),
            None => labels.contains_key(wanted),
        };
        self.get(key).is_none_or(|wanted| wanted.iter().all(has))
    }

    /// Whether `label` asks for no other labels than these, and `label!` does not exclude them.
    pub fn allows_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        let excluded = self.get("label!").is_some() && self.has_labels("label!", labels);
        self.has_labels("label", labels) && !excluded
    }

    /// What `key`, which takes yes or no, was given.
    ///
    /// # Errors
    /// It is neither, or both.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, InvalidFilter> {
        let Some(values) = self.get(key) else { return Ok(None) };
        let has = |words: [&str; 2]| words.iter().any(|word| values.contains(*word));
        match (has(["1", "true"]), has(["0", "false"])) {
            (true, false) => Ok(Some(true)),
            (false, true) => Ok(Some(false)),
            _ => Err(invalid_value(key, values)),
        }
    }

    /// The moment that `key` was given: RFC 3339, a day, seconds since 1970, or a duration before `now`.
    ///
    /// # Errors
    /// It is none of these, or there are several.
    pub fn moment(&self, key: &str, now: Timestamp) -> Result<Option<Timestamp>, InvalidFilter> {
        let Some(values) = self.get(key) else { return Ok(None) };
        let moment = match (values.first(), values.len()) {
            (Some(text), 1) => moment(text, now),
            _ => None,
        };
        moment.map(Some).ok_or_else(|| invalid_value(key, values))
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

fn invalid_value(key: &str, values: &BTreeSet<String>) -> InvalidFilter {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    InvalidFilter(format!("{key}=[{}]", values.join(" ")))
}

fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let seconds = text.parse::<i64>().ok().map(|seconds| Timestamp { seconds, nanos: 0 });
    let before = || {
        const SECOND: i64 = 1_000_000_000;
        let ago = duration_nanos(text)?;
        let nanos = i64::from(now.nanos) - ago % SECOND;
        let seconds = now.seconds.checked_sub(ago / SECOND)?;
        let (seconds, nanos) =
            if nanos < 0 { (seconds.checked_sub(1)?, nanos + SECOND) } else { (seconds, nanos) };
        Some(Timestamp { seconds, nanos: u32::try_from(nanos).ok()? })
    };
    let written =
        || ["", "Z", "T00:00:00Z"].iter().find_map(|end| format!("{text}{end}").parse().ok());
    seconds.or_else(before).or_else(written)
}

impl FromIterator<(String, String)> for Filters {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut filters = Self::default();
        pairs.into_iter().for_each(|(key, value)| filters.insert(key, value));
        filters
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

    fn filters(pairs: &[(&str, &str)]) -> Filters {
        let mut filters = Filters::default();
        for (key, value) in pairs {
            filters.insert(*key, *value);
        }
        filters
    }

    #[test]
    fn labels_must_all_be_there() {
        let labels =
            BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".into(), String::new())]);
        let allows = |pairs: &[(&str, &str)]| filters(pairs).allows_labels(&labels);
        for pairs in [&[][..], &[("label", "a")], &[("label", "a=1"), ("label", "b")]] {
            assert!(allows(pairs), "{pairs:?}");
        }
        for pairs in [
            &[("label", "a=2")][..],
            &[("label", "a"), ("label", "c")],
            &[("label!", "a")],
            &[("label", "a"), ("label!", "b")],
        ] {
            assert!(!allows(pairs), "{pairs:?}");
        }
        assert!(allows(&[("label!", "a"), ("label!", "c")]));
    }

    #[test]
    fn flags_and_moments() {
        assert_eq!(filters(&[]).flag("dangling"), Ok(None));
        assert_eq!(filters(&[("dangling", "1")]).flag("dangling"), Ok(Some(true)));
        assert_eq!(filters(&[("dangling", "false")]).flag("dangling"), Ok(Some(false)));
        let error = filters(&[("dangling", "perhaps")]).flag("dangling").unwrap_err();
        assert_eq!(error.to_string(), "invalid filter 'dangling=[perhaps]'");
        assert!(filters(&[("dangling", "0"), ("dangling", "1")]).flag("dangling").is_err());
        let now = Timestamp { seconds: 1_709_208_000, nanos: 5 };
        for (text, seconds, nanos) in [
            ("1709208000", 1_709_208_000, 0),
            ("10m", 1_709_207_400, 5),
            ("1ms", 1_709_207_999, 999_000_005),
            ("2024-02-29T12:00:00Z", 1_709_208_000, 0),
            ("2024-02-29T12:00:00", 1_709_208_000, 0),
            ("2024-02-29", 1_709_164_800, 0),
        ] {
            let moment = filters(&[("until", text)]).moment("until", now).unwrap();
            assert_eq!(moment, Some(Timestamp { seconds, nanos }), "{text}");
        }
        assert!(filters(&[("until", "soon")]).moment("until", now).is_err());
        assert!(filters(&[("until", "1h"), ("until", "2h")]).moment("until", now).is_err());
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
