//! Detach keys: the sequence that lets a client go and leaves the process running.

use crate::error::Error;

/// A sequence of bytes to look for in what a client types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    seen: usize,
}

impl Default for DetachKeys {
    /// `ctrl-p,ctrl-q`.
    fn default() -> Self {
        Self { keys: vec![0x10, 0x11], seen: 0 }
    }
}

impl DetachKeys {
    /// Reads `a` or `ctrl-x`, separated by commas; nothing means the default.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let keys = text.split(',').map(key).collect::<Option<Vec<_>>>();
        let keys = keys.ok_or_else(|| {
            let wanted = "it takes single letters or ctrl- with one of a-z @ [ \\ ] ^ _, separated by commas";
            Error::Parameter { name: "detachKeys", value: text.to_owned(), wanted }
        })?;
        Ok(Self { keys, seen: 0 })
    }

    /// Takes the next bytes that were typed and appends to `passed` those that the process is to get. Returns whether
    /// the sequence is complete; a sequence begun is held back until it is clear what it becomes.
    pub(crate) fn feed(&mut self, typed: &[u8], passed: &mut Vec<u8>) -> bool {
        for &byte in typed {
            if byte != self.keys[self.seen] && self.seen > 0 {
                passed.extend_from_slice(&self.keys[..self.seen]);
                self.seen = 0;
            }
            if byte == self.keys[self.seen] {
                self.seen += 1;
                if self.seen == self.keys.len() {
                    return true;
                }
            } else {
                passed.push(byte);
            }
        }
        false
    }
}

fn key(text: &str) -> Option<u8> {
    match (text.strip_prefix("ctrl-").map(str::as_bytes), text.as_bytes()) {
        (Some(&[letter]), _) => match letter.to_ascii_uppercase() {
            upper @ (b'A'..=b'Z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_') => Some(upper & 0x1f),
            _ => None,
        },
        (None, &[byte]) => Some(byte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What passes when `pieces` are typed, and whether the last of them detaches.
    fn typed(keys: &str, pieces: &[&str]) -> (String, bool) {
        let mut keys = DetachKeys::parse(keys).unwrap();
        let mut passed = Vec::new();
        let mut detached = false;
        for piece in pieces {
            detached = keys.feed(piece.as_bytes(), &mut passed);
        }
        (String::from_utf8(passed).unwrap(), detached)
    }

    #[test]
    fn finds_the_sequence_across_pieces() {
        assert_eq!(typed("", &["ls\n\x10\x11"]), ("ls\n".to_owned(), true));
        assert_eq!(typed("", &["\x10", "\x11"]), (String::new(), true));
        assert_eq!(typed("", &["\x10", "x\x10"]), ("\x10x".to_owned(), false));
        assert_eq!(typed("", &["\x10\x10\x11"]), ("\x10".to_owned(), true));
        assert_eq!(typed("a,b,ctrl-c", &["aab", "ab\x03"]), ("aab".to_owned(), true));
        assert_eq!(typed("x", &["abc"]), ("abc".to_owned(), false));
    }

    #[test]
    fn refuses_what_is_no_key() {
        for text in ["ctrl-", "ctrl-1", "ab", "a,,b", "ctrl-p,", "é"] {
            let error = DetachKeys::parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
        assert_eq!(DetachKeys::parse("ctrl-p,ctrl-q").unwrap(), DetachKeys::default());
        assert_eq!(DetachKeys::parse("ctrl-@,ctrl-_").unwrap().keys, [0, 31]);
    }
}
