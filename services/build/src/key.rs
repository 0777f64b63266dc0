//! The key of a step: a digest of all that its result depends on.

use gantry_types::Digest;
use sha2::{Digest as _, Sha256};

use crate::workshop::Layer;

/// Takes parts of a key. Each is taken with its length, so that no two sequences of parts look alike.
#[derive(Debug, Clone)]
pub(crate) struct Key(Sha256);

impl Key {
    /// The key of a sort of step above these layers.
    pub(crate) fn new(sort: &str, below: &[Layer]) -> Self {
        let mut key = Self(Sha256::new());
        key.part(sort);
        key.number(below.len() as u64);
        for layer in below {
            key.part(layer.diff_id.as_str());
        }
        key
    }

    pub(crate) fn part(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.number(part.len() as u64);
        self.0.update(part);
    }

    /// Parts of which nobody knows how many there are: nothing that follows can be taken for one of them.
    pub(crate) fn list(&mut self, parts: &[impl AsRef<[u8]>]) {
        self.number(parts.len() as u64);
        for part in parts {
            self.part(part);
        }
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    pub(crate) fn finish(self) -> Digest {
        Digest::sha256(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_one_another() {
        let key = |parts: &[&str]| {
            let mut key = Key::new("x", &[]);
            for part in parts {
                key.part(part);
            }
            key.finish()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["", "a"]), key(&["a", ""]));
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        let lists = |one: &[&str], other: &[&str]| {
            let mut key = Key::new("x", &[]);
            key.list(one);
            key.list(other);
            key.finish()
        };
        assert_ne!(lists(&["a", "b"], &["c"]), lists(&["a"], &["b", "c"]));
    }
}
