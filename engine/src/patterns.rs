//! What lists are asked for by name or id: patterns, as Docker takes them (`^web$`), of which one has to be found.

use gantry_types::Filters;
use regex_lite::Regex;

/// The values of one filter. Without any everything is meant.
pub(crate) struct Patterns<'a>(Option<Vec<(&'a str, Option<Regex>)>>);

impl<'a> Patterns<'a> {
    pub(crate) fn of(filters: &'a Filters, key: &str) -> Self {
        let values = filters.get(key).map(|values| {
            // One that cannot be read may still be the whole text.
            values.iter().map(|text| (text.as_str(), Regex::new(text).ok())).collect()
        });
        Self(values)
    }

    pub(crate) fn allow(&self, text: &str) -> bool {
        let is_found = |(whole, pattern): &(&str, Option<Regex>)| {
            *whole == text || pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
        };
        self.0.as_ref().is_none_or(|values| values.iter().any(is_found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_patterns_has_to_be_found() {
        let mut filters = Filters::default();
        assert!(Patterns::of(&filters, "name").allow("web"));
        filters.insert("name", "^web$");
        filters.insert("name", "db|cache");
        filters.insert("name", "[x");
        let patterns = Patterns::of(&filters, "name");
        for name in ["web", "my-db", "cache2", "[x"] {
            assert!(patterns.allow(name), "{name}");
        }
        for name in ["webs", "x", ""] {
            assert!(!patterns.allow(name), "{name}");
        }
    }
}
