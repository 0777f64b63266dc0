//! The JSON habits of Docker's side of the wire, as serde functions: `null` reads as the default, an empty list may
//! be written as `null`, a zero may be left out, a set is an object with empty values. No document lives here.

use serde::{Deserialize, Deserializer};

/// `null` is the type's default.
pub(crate) fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// For `skip_serializing_if`: a value that its type would have had anyway.
pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A list of words that may come as one bare string, as `Cmd` and `Entrypoint` may. `null` and absent stay apart
/// from the empty list, because an empty entrypoint says something.
pub(crate) fn optional_words<'de, D>(deserializer: D) -> Result<Option<Vec<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(WordsVisitor)
}

struct WordsVisitor;

impl<'de> serde::de::Visitor<'de> for WordsVisitor {
    type Value = Option<Vec<String>>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a string or a list of strings")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
        Ok(Some(vec![word.to_owned()]))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = seq.next_element()? {
            words.push(word);
        }
        Ok(Some(words))
    }
}

/// Lists and maps that dockerd leaves nil when nobody fills them: empty is written as `null`.
pub(crate) mod nil {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S, T>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        T: Serialize + Default + PartialEq,
    {
        if super::is_zero(value) {
            serializer.serialize_unit()
        } else {
            value.serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de> + Default,
    {
        super::lenient(deserializer)
    }
}

/// [`optional_words`] where nothing and the empty list are the same; empty is written as `null`.
pub(crate) mod words {
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Vec<String>, out: S) -> Result<S::Ok, S::Error> {
        super::nil::serialize(value, out)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
        Ok(super::optional_words(d)?.unwrap_or_default())
    }
}

/// A set written as an object whose values are empty objects; empty is written as `null`.
pub(crate) mod set {
    use std::collections::{BTreeMap, BTreeSet};

    use serde::de::IgnoredAny;
    use serde::ser::SerializeMap;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    struct Nothing {}

    pub(crate) fn serialize<S: Serializer>(
        value: &BTreeSet<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if value.is_empty() {
            return serializer.serialize_unit();
        }
        let mut map = serializer.serialize_map(Some(value.len()))?;
        for key in value {
            map.serialize_entry(key, &Nothing {})?;
        }
        map.end()
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeSet<String>, D::Error> {
        let map = Option::<BTreeMap<String, Option<IgnoredAny>>>::deserialize(deserializer)?;
        Ok(map.unwrap_or_default().into_keys().collect())
    }
}
