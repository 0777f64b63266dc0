//! Paths in archives, normalised once: from then on the type is the proof that they stay below the
//! root as text. (Symbolic links on the way are the business of `apply`.)

use crate::{Error, Limits, Result};

/// A path from the root: components without `.`, `..`, empty ones, NUL; joined by single slashes.
/// Empty for the root itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryPath {
    bytes: Vec<u8>,
}

/// The path names something above its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("leaves the root of the archive")]
pub struct OutsideRoot;

impl EntryPath {
    /// The root.
    pub fn root() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Normalises a path as Docker does: a leading slash means the root, `.` and `..` are taken by
    /// their text (`a/../b` is `b`).
    ///
    /// # Errors
    /// [`OutsideRoot`] when a `..` would leave the root.
    pub fn normalise(path: &[u8]) -> Result<Self, OutsideRoot> {
        let mut bytes = Vec::with_capacity(path.len());
        for component in path.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    if bytes.is_empty() {
                        return Err(OutsideRoot);
                    }
                    let end = bytes.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                    bytes.truncate(end);
                }
                name => {
                    if !bytes.is_empty() {
                        bytes.push(b'/');
                    }
                    bytes.extend_from_slice(name);
                }
            }
        }
        Ok(Self { bytes })
    }

    /// [`EntryPath::normalise`] with the limits on length and depth.
    pub fn checked(path: &[u8], limits: &Limits) -> Result<Self> {
        let normal = Self::normalise(path)
            .map_err(|OutsideRoot| Error::entry(path, "leaves the root of the archive"))?;
        if normal.bytes.len() > limits.path_bytes {
            return Err(Error::Limit { limit: limits.path_bytes as u64, what: "bytes in a path" });
        }
        if normal.depth() > limits.depth {
            return Err(Error::Limit { limit: limits.depth as u64, what: "levels in a path" });
        }
        Ok(normal)
    }

    /// The text, without a leading or trailing slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is the root itself.
    pub fn is_root(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        let start = self.bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        &self.bytes[start..]
    }

    /// What is in front of the last component; empty for the root and what lies in it.
    pub fn parent(&self) -> &[u8] {
        let end = self.bytes.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        &self.bytes[..end]
    }

    /// The directory that it lies in; the root for the root.
    #[must_use]
    pub fn up(&self) -> Self {
        Self { bytes: self.parent().to_vec() }
    }

    /// What lies next to it under that name, a single component.
    #[must_use]
    pub fn sibling(&self, name: &[u8]) -> Self {
        Self { bytes: join(self.parent(), name) }
    }

    /// All paths on the way to it, from the one in the root to itself.
    pub fn ancestry(&self) -> impl Iterator<Item = Self> {
        let slashes = self.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let ends = slashes.map(|(at, _)| at).chain(std::iter::once(self.bytes.len()));
        let paths = ends.map(|end| Self { bytes: self.bytes[..end].to_vec() });
        paths.filter(|path| !path.is_root())
    }

    /// The bounds of everything below it in the order of paths.
    pub(crate) fn below(&self) -> std::ops::Range<Self> {
        let bound = |byte| Self { bytes: [&self.bytes[..], &[byte]].concat() };
        bound(b'/')..bound(b'/' + 1)
    }

    fn depth(&self) -> usize {
        if self.bytes.is_empty() { 0 } else { self.bytes.split(|&byte| byte == b'/').count() }
    }
}

/// `parent/name`, or `name` in the root.
pub(crate) fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() {
        return name.to_vec();
    }
    let mut joined = Vec::with_capacity(parent.len() + 1 + name.len());
    joined.extend_from_slice(parent);
    joined.push(b'/');
    joined.extend_from_slice(name);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_by_text() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"", b""),
            (b".", b""),
            (b"/", b""),
            (b"./", b""),
            (b"a", b"a"),
            (b"/a//b/./c/", b"a/b/c"),
            (b"a/../b", b"b"),
            (b"a/b/../../c", b"c"),
            (b"..a/b..", b"..a/b.."),
        ];
        for (raw, normal) in cases {
            assert_eq!(EntryPath::normalise(raw).unwrap().as_bytes(), *normal, "{raw:?}");
        }
    }

    #[test]
    fn refuses_to_leave_the_root() {
        for raw in [&b".."[..], b"../a", b"/..", b"/../a", b"a/../../b", b"./.."] {
            assert_eq!(EntryPath::normalise(raw), Err(OutsideRoot), "{raw:?}");
        }
    }

    #[test]
    fn splits_parent_and_name() {
        for (path, parent, name) in [("a/b/c", "a/b", "c"), ("a", "", "a"), ("", "", "")] {
            let path = EntryPath::normalise(path.as_bytes()).unwrap();
            assert_eq!((path.parent(), path.name()), (parent.as_bytes(), name.as_bytes()));
        }
    }

    #[test]
    fn limits_length_and_depth() {
        let limits = Limits { path_bytes: 10, depth: 3, ..Limits::default() };
        assert!(EntryPath::checked(b"a/b/c", &limits).is_ok());
        assert!(EntryPath::checked(b"a/b/c/d", &limits).is_err());
        assert!(EntryPath::checked(b"abcdefghijk", &limits).is_err());
    }
}
