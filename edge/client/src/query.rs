//! Request paths and queries: percent encoding of what callers put into them.

use std::fmt::Write as _;

use gantry_types::Filters;
use serde_json::{Value, json};

use crate::error::Error;

/// The parameters of a request, encoded as they are added.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(String);

impl Query {
    /// Adds a parameter; an empty value is left out, as the API takes it for absent.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.push(if self.0.is_empty() { '?' } else { '&' });
            self.0.push_str(name);
            self.0.push('=');
            encode_into(&mut self.0, value, false);
        }
        self
    }

    /// Adds a parameter when there is a value.
    pub(crate) fn maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.text(name, &value.to_string()),
            None => self,
        }
    }

    /// Adds `name=1` when `on`.
    pub(crate) fn flag(self, name: &str, on: bool) -> Self {
        if on { self.text(name, "1") } else { self }
    }

    /// Adds a platform, `os/architecture[/variant]`, as the document that the newer calls take.
    pub(crate) fn platform(self, name: &str, platform: &str) -> Self {
        if platform.is_empty() {
            return self;
        }
        let mut document = serde_json::Map::new();
        for (key, part) in ["os", "architecture", "variant"].iter().zip(platform.splitn(3, '/')) {
            document.insert((*key).to_owned(), part.into());
        }
        self.text(name, &Value::Object(document).to_string())
    }

    /// Adds `filters` in the newer of Docker's two forms, unless they restrict nothing.
    pub(crate) fn filters(self, filters: &Filters) -> Self {
        if filters.is_empty() {
            return self;
        }
        let map: serde_json::Map<String, Value> =
            filters.iter().map(|(key, values)| (key.to_owned(), json!(values))).collect();
        self.text("filters", &Value::Object(map).to_string())
    }

    /// The query with its question mark, or nothing.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A container's name or id as one segment of a path.
pub(crate) fn segment(what: &'static str, value: &str) -> Result<String, Error> {
    // A dot segment would change the path, and an empty one would name another resource.
    if value.is_empty() || value == "." || value == ".." {
        return Err(Error::InvalidName { what, value: value.to_owned() });
    }
    let mut text = String::with_capacity(value.len());
    encode_into(&mut text, value, false);
    Ok(text)
}

/// An image's name, whose slashes stay.
pub(crate) fn image_path(value: &str) -> Result<String, Error> {
    if value.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return Err(Error::InvalidName { what: "reference format", value: value.to_owned() });
    }
    let mut text = String::with_capacity(value.len());
    encode_into(&mut text, value, true);
    Ok(text)
}

/// Everything but unreserved characters is escaped, and of the others what a path can hold as it is.
fn encode_into(text: &mut String, value: &str, in_path: bool) {
    for byte in value.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || in_path && matches!(byte, b'/' | b':' | b'@');
        if plain {
            text.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            write!(text, "%{byte:02X}").unwrap_or(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_parameters() {
        let query = Query::default()
            .text("name", "a b/ü")
            .flag("force", true)
            .flag("v", false)
            .maybe("t", Some(-1))
            .maybe("x", None::<i64>);
        assert_eq!(query.as_str(), "?name=a%20b%2F%C3%BC&force=1&t=-1");
        assert_eq!(Query::default().text("a", "").as_str(), "");
        let mut filters = Filters::default();
        filters.insert("label", "a=b");
        let query = Query::default().filters(&filters);
        assert_eq!(query.as_str(), "?filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D");
    }

    #[test]
    fn paths_stay_in_their_place() {
        assert_eq!(segment("container", "a/../b").unwrap(), "a%2F..%2Fb");
        assert_eq!(image_path("reg:5000/a/b@sha256:1").unwrap(), "reg:5000/a/b@sha256:1");
        for bad in ["", ".", ".."] {
            assert!(segment("container", bad).is_err(), "{bad}");
        }
        for bad in ["", "a//b", "../a", "a/.."] {
            assert!(image_path(bad).is_err(), "{bad}");
        }
    }
}
