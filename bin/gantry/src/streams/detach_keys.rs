//! The keys that leave a container running behind: `ctrl-p,ctrl-q`, or what the user chose.

use std::str::FromStr;

/// A sequence of bytes that a terminal sends for keys. None means that nothing detaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DetachKeys {
    text: String,
    bytes: Vec<u8>,
}

impl Default for DetachKeys {
    fn default() -> Self {
        // What the daemon takes for the empty text too.
        Self { text: String::new(), bytes: vec![16, 17] }
    }
}

impl DetachKeys {
    /// As the user wrote them; empty for the default.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for DetachKeys {
    type Err = String;

    /// Takes keys with commas between them: a character, or `ctrl-` and one of `a`–`z`, `@`, `[`, `\`, `]`, `^`, `_`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let bytes = text.split(',').map(byte_of).collect::<Option<_>>();
        let bytes = bytes.ok_or_else(|| {
            format!("invalid detach keys ({text}): it takes letters and ctrl-<letter>, as in ctrl-p,ctrl-q")
        })?;
        Ok(Self { text: text.to_owned(), bytes })
    }
}

fn byte_of(key: &str) -> Option<u8> {
    let single = |text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        _ => None,
    };
    match key.strip_prefix("ctrl-") {
        None => single(key),
        Some(rest) => match single(rest)?.to_ascii_lowercase() {
            letter @ b'a'..=b'z' => Some(letter - b'a' + 1),
            b'@' => Some(0),
            other @ b'['..=b'_' => Some(other - b'@'),
            _ => None,
        },
    }
}

/// Looks for the keys in what is typed, holding back what may be their beginning.
#[derive(Debug)]
pub(crate) struct Keys {
    wanted: Vec<u8>,
    matched: usize,
}

impl Keys {
    pub(crate) fn new(keys: &DetachKeys) -> Self {
        Self { wanted: keys.bytes.clone(), matched: 0 }
    }

    /// What is to be passed on of `typed`, and whether the keys were complete. What follows them is dropped.
    pub(crate) fn filter(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(typed.len());
        for &byte in typed {
            if self.wanted.get(self.matched) != Some(&byte) {
                passed.extend_from_slice(&self.wanted[..self.matched]);
                self.matched = 0;
                if self.wanted.first() != Some(&byte) {
                    passed.push(byte);
                    continue;
                }
            }
            self.matched += 1;
            if self.matched == self.wanted.len() {
                return (passed, true);
            }
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keys() {
        for (text, bytes) in [
            ("", &[16, 17][..]),
            ("ctrl-a", &[1]),
            ("ctrl-@,ctrl-[,x", &[0, 27, b'x']),
            ("ctrl-P,ctrl-_", &[16, 31]),
        ] {
            assert_eq!(text.parse::<DetachKeys>().unwrap().bytes, bytes, "{text}");
        }
        for text in ["ctrl-", "ctrl-1", "ab", "ctrl-p,", "é"] {
            assert!(text.parse::<DetachKeys>().unwrap_err().contains(text), "{text}");
        }
    }

    #[test]
    fn the_keys_are_found_across_reads_and_nothing_else_is_lost() {
        let check = |reads: &[&[u8]], passed: &[u8], found: bool| {
            let mut keys = Keys::new(&DetachKeys::default());
            let (mut all, mut detached) = (Vec::new(), false);
            for read in reads {
                let (bytes, now) = keys.filter(read);
                all.extend(bytes);
                detached |= now;
            }
            assert_eq!((all.as_slice(), detached), (passed, found), "{reads:?}");
        };
        check(&[b"ls\n"], b"ls\n", false);
        check(&[b"ls\x10", b"\x11"], b"ls", true);
        check(&[b"\x10x"], b"\x10x", false);
        check(&[b"\x10\x10\x11"], b"\x10", true);
        check(&[b"\x10"], b"", false);
        check(&[b"\x11a"], b"\x11a", false);
    }
}
