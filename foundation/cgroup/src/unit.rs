//! Where systemd's units have their cgroups: a name says it, no bus is asked. Starting units is not done here.
//!
//! Source: systemd.slice(5), systemd.unit(5).

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

const SUFFIX: &str = ".slice";
/// `UNIT_NAME_MAX` of systemd's.
const MAX_BYTES: usize = 255;

/// A slice of systemd's: `a-b.slice`, which lies in `a.slice`; `-.slice` is the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice(String);

impl Slice {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its cgroup, below systemd's own: those of all slices that it lies in, and its own at the end. Empty for the root.
    #[must_use]
    pub fn cgroup_path(&self) -> String {
        let mut path = String::new();
        let parts = self.0.strip_suffix(SUFFIX).unwrap_or_default();
        if parts != "-" {
            let ends = parts.match_indices('-').map(|(at, _)| at).chain([parts.len()]);
            for end in ends {
                path.push('/');
                path.push_str(&parts[..end]);
                path.push_str(SUFFIX);
            }
        }
        path
    }
}

impl FromStr for Slice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.strip_suffix(SUFFIX).filter(|_| is_unit_name(text));
        let is_slice = |parts: &str| parts == "-" || parts.split('-').all(|part| !part.is_empty());
        if parts.is_some_and(is_slice) {
            Ok(Self(text.to_owned()))
        } else {
            let reason = "is not the name of a slice, such as system.slice or a-b.slice";
            Err(Error::BadPath { path: text.to_owned(), reason })
        }
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether systemd takes a unit of this name, its suffix included.
#[must_use]
pub fn is_unit_name(name: &str) -> bool {
    name.len() <= MAX_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_lies_where_its_name_says() {
        for (name, path) in [
            ("system.slice", "/system.slice"),
            ("a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"),
            ("-.slice", ""),
        ] {
            let slice: Slice = name.parse().unwrap();
            assert_eq!((slice.as_str(), slice.cgroup_path().as_str()), (name, path));
        }
        let long = format!("{}.slice", "n".repeat(250));
        for name in
            ["", "a", ".slice", "/a", "a--b.slice", "-a.slice", "../x.slice", "a b.slice", &long]
        {
            assert!(name.parse::<Slice>().is_err(), "{name:?}");
        }
    }
}
