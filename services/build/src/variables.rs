//! The variables of a stage: what its environment and its arguments say.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;

use gantry_dockerfile::{Expander, Variables};
use gantry_oci::image::Platform;

use crate::{Error, Result};

/// How many bytes all that the variables of one stage are expanded to may have, with what its history says: a short Dockerfile
/// can make long values of itself.
const MAX_BYTES: usize = 4 << 20;

/// Arguments that need no `ARG`, and that no key depends on.
pub const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The values that words of a stage are expanded with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// `ENV`, in order.
    pub(crate) env: Vec<String>,
    /// `ARG`s that have values.
    pub(crate) arguments: BTreeMap<String, String>,
    /// How many bytes words have become, and the history has, so far.
    pub(crate) spent: Cell<usize>,
}

impl Variables for Scope {
    /// The environment comes first.
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        let own = |entry: &'_ String| entry.split_once('=').is_some_and(|(key, _)| key == name);
        if let Some(entry) = self.env.iter().rev().find(|entry| own(entry)) {
            return entry.split_once('=').map(|(_, value)| Cow::Borrowed(value));
        }
        self.arguments.get(name).map(|value| Cow::Borrowed(value.as_str()))
    }
}

impl Scope {
    /// One word, expanded.
    pub(crate) fn word(&self, escape: char, text: &str) -> Result<String> {
        let word = Expander::new(escape, self).word(text)?.text;
        self.spend(word.len())?;
        Ok(word)
    }

    /// Counts bytes that the stage keeps.
    ///
    /// # Errors
    /// They are too many.
    pub(crate) fn spend(&self, bytes: usize) -> Result<()> {
        self.spent.set(self.spent.get().saturating_add(bytes));
        if self.spent.get() > MAX_BYTES {
            return Err(Error::Limit {
                what: "the bytes of the values and the history of one stage",
                limit: MAX_BYTES as u64,
            });
        }
        Ok(())
    }

    /// Sets a variable of the environment, in its place if it is there.
    pub(crate) fn set_env(&mut self, key: &str, value: &str) {
        let entry = format!("{key}={value}");
        let own = |entry: &String| entry.split_once('=').is_some_and(|(name, _)| name == key);
        match self.env.iter_mut().find(|entry| own(entry)) {
            Some(old) => *old = entry,
            None => self.env.push(entry),
        }
    }

    /// What a command sees: the environment, and the arguments that it does not name.
    pub(crate) fn of_command(&self, given: &BTreeMap<String, String>) -> Vec<String> {
        let mut all = self.env.clone();
        let is_there = |all: &[String], name: &str| {
            all.iter().any(|entry| entry.split_once('=').is_some_and(|(key, _)| key == name))
        };
        let proxies = given.iter().filter(|(name, _)| PROXIES.contains(&name.as_str()));
        for (name, value) in self.arguments.iter().chain(proxies) {
            if !is_there(&all, name) {
                all.push(format!("{name}={value}"));
            }
        }
        all
    }
}

/// The arguments that every build has: for what, and on what.
pub(crate) fn platforms(target: &Platform, host: &Platform) -> BTreeMap<String, String> {
    let mut arguments = BTreeMap::new();
    for (prefix, platform) in [("TARGET", target), ("BUILD", host)] {
        let variant = platform.variant.clone().unwrap_or_default();
        for (name, value) in [
            ("PLATFORM", platform.to_string()),
            ("OS", platform.os.clone()),
            ("ARCH", platform.architecture.clone()),
            ("VARIANT", variant),
        ] {
            arguments.insert(format!("{prefix}{name}"), value);
        }
    }
    arguments
}
