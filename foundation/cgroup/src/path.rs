//! Where a container's cgroup lies, as `linux.cgroupsPath` says it.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The longest path and the longest name in it, as everywhere in Linux.
const MAX_PATH: usize = 4095;
const MAX_NAME: usize = 255;

/// A checked cgroup path: absolute in each hierarchy (`/gantry/abc`), or relative to where this process is (`abc`).
///
/// It never names a hierarchy's root, and no `.` or `..` is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupPath {
    is_absolute: bool,
    /// Names joined by single slashes, none at either end.
    names: String,
}

impl CgroupPath {
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        self.is_absolute
    }

    /// The path without a leading slash.
    #[must_use]
    pub fn names(&self) -> &str {
        &self.names
    }

    /// Every directory on the way, the outermost first, the cgroup itself last.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &str> {
        let ends = self.names.match_indices('/').map(|(at, _)| at);
        ends.chain([self.names.len()]).map(|end| &self.names[..end])
    }
}

impl FromStr for CgroupPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |reason| Err(Error::BadPath { path: text.to_owned(), reason });
        if text.len() > MAX_PATH {
            return refuse("is longer than 4095 bytes");
        }
        if text.contains('\0') {
            return refuse("contains a NUL byte");
        }
        let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return refuse("names no cgroup, give one such as /gantry/<id>");
        }
        if names.iter().any(|name| matches!(*name, "." | "..")) {
            return refuse("must not contain . or ..");
        }
        if names.iter().any(|name| name.len() > MAX_NAME) {
            return refuse("contains a name longer than 255 bytes");
        }
        if names.iter().any(|name| name.contains('\n')) {
            // mkdir in a cgroup hierarchy refuses it, too: /proc/<pid>/cgroup has one line each.
            return refuse("contains a line break");
        }
        Ok(Self { is_absolute: text.starts_with('/'), names: names.join("/") })
    }
}

impl fmt::Display for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.is_absolute { "/" } else { "" };
        write!(f, "{slash}{}", self.names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_paths() {
        let check = |text: &str, normal: &str, prefixes: &[&str]| {
            let path: CgroupPath = text.parse().unwrap();
            assert_eq!(path.to_string(), normal);
            assert_eq!(path.prefixes().collect::<Vec<_>>(), prefixes);
        };
        check("/gantry/abc", "/gantry/abc", &["gantry", "gantry/abc"]);
        check("//gantry///abc/", "/gantry/abc", &["gantry", "gantry/abc"]);
        check("abc", "abc", &["abc"]);
        check("a/..b/.c", "a/..b/.c", &["a", "a/..b", "a/..b/.c"]);
    }

    #[test]
    fn bad_paths() {
        let long_name = "n".repeat(256);
        let long_path = "n/".repeat(2100);
        for (text, part) in [
            ("", "names no cgroup"),
            ("///", "names no cgroup"),
            ("/a/../b", "must not contain"),
            ("..", "must not contain"),
            ("./a", "must not contain"),
            ("a\0b", "NUL"),
            ("a\nb", "line break"),
            (&long_name, "255"),
            (&long_path, "4095"),
        ] {
            let error = text.parse::<CgroupPath>().unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
