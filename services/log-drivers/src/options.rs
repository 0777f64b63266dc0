//! Reading of log options: every one is known, and every value makes sense, or the error names it.

use crate::Error;
use gantry_types::ByteSize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A driver's options, from which those that are understood are taken out.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    given: &'a BTreeMap<String, String>,
}

impl<'a> Options<'a> {
    /// Fails on an option that is not in `known`.
    pub(crate) fn new(
        driver: &'static str,
        given: &'a BTreeMap<String, String>,
        known: &[&str],
    ) -> Result<Self, Error> {
        match given.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Error::UnknownOption { driver, key: key.clone() }),
            None => Ok(Self { given }),
        }
    }

    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        self.given.get(key).map(String::as_str)
    }

    /// What `read` makes of the value; an error says that it takes `wanted`.
    pub(crate) fn read<T>(
        &self,
        key: &'static str,
        wanted: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.text(key) else { return Ok(None) };
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::Value { key, value: value.to_owned(), wanted }),
        }
    }

    /// What Go's `strconv.ParseBool` takes.
    pub(crate) fn flag(&self, key: &'static str) -> Result<Option<bool>, Error> {
        self.read(key, "true or false", |value| match value {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
            _ => None,
        })
    }

    pub(crate) fn number(&self, key: &'static str) -> Result<Option<u32>, Error> {
        self.read(key, "a number", |value| value.parse().ok())
    }

    pub(crate) fn size(&self, key: &'static str) -> Result<Option<u64>, Error> {
        self.read(key, "a size such as 1m", |value| {
            value.parse().map(ByteSize::bytes).ok().filter(|bytes| *bytes > 0)
        })
    }

    pub(crate) fn duration(&self, key: &'static str) -> Result<Option<Duration>, Error> {
        self.read(key, "a duration such as 1s", |value| {
            let nanos = gantry_types::duration_nanos(value)?;
            u64::try_from(nanos).ok().map(Duration::from_nanos)
        })
    }
}
