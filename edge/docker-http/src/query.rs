//! The query of a request: form encoding, and Docker's ways of writing flags, numbers and filters.

use std::str::FromStr;

use gantry_types::Filters;

use crate::error::Error;

/// The parameters in the order they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`; broken escapes and text that is not UTF-8 are errors.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let pair = |part: &str| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decode(key, true)?, decode(value, true)?))
        };
        text.split('&')
            .filter(|part| !part.is_empty())
            .map(pair)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The first value; an empty one counts as absent, as in Docker.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let first = self.0.iter().find(|(key, _)| key == name)?;
        Some(first.1.as_str()).filter(|value| !value.is_empty())
    }

    /// [`Self::get`] as an owned text, empty when absent.
    pub(crate) fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// Anything is true but nothing, `0`, `no`, `false` and `none`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// [`Self::flag`] for a parameter that has another default.
    pub(crate) fn flag_or(&self, name: &str, default: bool) -> bool {
        match self.get(name) {
            None => default,
            Some(value) => !matches!(
                value.trim().to_ascii_lowercase().as_str(),
                "" | "0" | "no" | "false" | "none"
            ),
        }
    }

    /// A number, or `None` when absent.
    pub(crate) fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Error> {
        let parse = |value: &str| {
            let wanted = "it takes a whole number";
            value.parse().map_err(|_| Error::Parameter { name, value: value.to_owned(), wanted })
        };
        self.get(name).map(parse).transpose()
    }

    /// A platform that is given as a document, as `os/architecture[/variant]`.
    pub(crate) fn platform(&self, name: &'static str) -> Result<Option<String>, Error> {
        Ok(self.platforms(name)?.into_iter().next())
    }

    /// All platforms of a parameter that may be repeated.
    pub(crate) fn platforms(&self, name: &'static str) -> Result<Vec<String>, Error> {
        #[derive(serde::Deserialize)]
        struct Platform {
            os: String,
            architecture: String,
            variant: Option<String>,
        }
        let wanted = "it takes a platform: {\"os\":…,\"architecture\":…}";
        let read = |text: &String| match serde_json::from_str(text) {
            Ok(Platform { os, architecture, variant }) => {
                let variant = variant.filter(|variant| !variant.is_empty());
                let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
                Ok(format!("{os}/{architecture}{variant}"))
            }
            Err(_) => Err(Error::Parameter { name, value: text.clone(), wanted }),
        };
        self.all(name).iter().filter(|text| !text.is_empty()).map(read).collect()
    }

    /// The `filters` parameter; absent restricts nothing.
    pub(crate) fn filters(&self) -> Result<Filters, Error> {
        let Some(text) = self.get("filters") else { return Ok(Filters::default()) };
        serde_json::from_str(text)
            .map_err(|source| Error::Filters { text: text.to_owned(), source })
    }
}

/// Undoes percent encoding; in a query `+` is a space.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Result<String, Error> {
    let escape = |at: usize| {
        let digits = text.get(at + 1..at + 3).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        at += 1;
        match byte {
            b'%' => {
                let Some(byte) = escape(at - 1) else {
                    let rest: String = text[at - 1..].chars().take(3).collect();
                    return Err(Error::Invalid(format!("invalid URL escape {rest:?}")));
                };
                bytes.push(byte);
                at += 2;
            }
            b'+' if plus_is_space => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::Invalid(format!("the request address is not UTF-8: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    #[test]
    fn decodes_names_and_values() {
        let query = query("repo=a%3Ab&message=one+two%2B&c&repo=x&&e=");
        assert_eq!(query.get("repo"), Some("a:b"));
        assert_eq!(query.all("repo"), ["a:b", "x"]);
        assert_eq!(query.get("message"), Some("one two+"));
        assert_eq!((query.get("c"), query.get("e"), query.get("z")), (None, None, None));
        assert_eq!(decode("a+b%2f", false).unwrap(), "a+b/");
    }

    #[test]
    fn broken_escapes_are_named() {
        for (text, expected) in [
            ("a=%zz", "invalid URL escape \"%zz\""),
            ("a=%4", "invalid URL escape \"%4\""),
            ("a=%+1", "invalid URL escape \"%+1\""),
            ("a=%é", "invalid URL escape \"%é\""),
        ] {
            assert_eq!(Query::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
        assert!(Query::parse("a=%ff").unwrap_err().to_string().contains("not UTF-8"));
    }

    #[test]
    fn platforms_are_documents() {
        let one = "p=%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22arm64%22%2C%22variant%22%3A%22v8%22%7D";
        assert_eq!(query(one).platform("p").unwrap().as_deref(), Some("linux/arm64/v8"));
        assert_eq!(query("p=").platform("p").unwrap(), None);
        assert!(query("p=linux%2Farm64").platform("p").is_err());
    }

    #[test]
    fn flags_as_docker_reads_them() {
        for (text, expected) in [
            ("f=1", true),
            ("f=True", true),
            ("f=yes", true),
            ("f=-1", true),
            ("f=0", false),
            ("f=No", false),
            ("f=FALSE", false),
            ("f=none", false),
            ("f=", false),
            ("", false),
        ] {
            assert_eq!(query(text).flag("f"), expected, "{text}");
        }
        assert!(query("").flag_or("f", true) && !query("f=0").flag_or("f", true));
    }

    #[test]
    fn numbers_and_filters() {
        assert_eq!(query("t=-1").number::<i64>("t").unwrap(), Some(-1));
        assert_eq!(query("").number::<i64>("t").unwrap(), None);
        let error = query("t=soon").number::<i64>("t").unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid value \"soon\" for the parameter \"t\": it takes a whole number"
        );
        let filters =
            query("filters=%7B%22label%22%3A%7B%22a%3Db%22%3Atrue%7D%7D").filters().unwrap();
        assert!(filters.get("label").unwrap().contains("a=b"));
        assert!(query("").filters().unwrap().is_empty());
        assert!(
            query("filters=%7B").filters().unwrap_err().to_string().starts_with("invalid filters")
        );
    }
}
