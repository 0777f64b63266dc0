//! From the bytes that a terminal sends to keys (ECMA-48 sequences as xterm and its kin send them).

/// What a user can press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Tab,
    Enter,
    Escape,
    Backspace,
    /// Control-C.
    Interrupt,
    Letter(char),
}

/// The keys in one piece of input. What is not known is left out.
pub(super) fn parse(bytes: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.as_ref();
    let mut keys = Vec::new();
    while let Some(first) = rest.chars().next() {
        if let Some(sequence) = rest.strip_prefix("\x1b[").or_else(|| rest.strip_prefix("\x1bO")) {
            let end = sequence.find(|c: char| ('@'..='~').contains(&c));
            let end = end.map_or(sequence.len(), |end| end + 1);
            keys.extend(named(&sequence[..end]));
            rest = &sequence[end..];
            continue;
        }
        rest = &rest[first.len_utf8()..];
        keys.extend(single(first));
    }
    keys
}

/// What stands behind an escape and a bracket.
fn named(sequence: &str) -> Option<Key> {
    Some(match sequence {
        "A" => Key::Up,
        "B" => Key::Down,
        "C" => Key::Right,
        "D" => Key::Left,
        "H" | "1~" | "7~" => Key::Home,
        "F" | "4~" | "8~" => Key::End,
        "5~" => Key::PageUp,
        "6~" => Key::PageDown,
        _ => return None,
    })
}

fn single(c: char) -> Option<Key> {
    Some(match c {
        '\x1b' => Key::Escape,
        '\t' => Key::Tab,
        '\r' | '\n' => Key::Enter,
        '\x7f' | '\x08' => Key::Backspace,
        '\x03' => Key::Interrupt,
        c if c.is_control() => return None,
        c => Key::Letter(c),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_and_letters() {
        use Key::*;
        for (bytes, expected) in [
            (&b"\x1b[A\x1bOBq"[..], vec![Up, Down, Letter('q')]),
            (b"\x1b[5~\x1b[6~\x1b[1~\x1b[F", vec![PageUp, PageDown, Home, End]),
            (b"\x1b", vec![Escape]),
            (b"\x1b[1;5Xa", vec![Letter('a')]),
            (b"\x1b[", vec![]),
            ("ä\t\r\x7f\x03\x01".as_bytes(), vec![Letter('ä'), Tab, Enter, Backspace, Interrupt]),
            (b"\xff", vec![Letter('\u{fffd}')]),
        ] {
            assert_eq!(parse(bytes), expected, "{bytes:?}");
        }
    }
}
