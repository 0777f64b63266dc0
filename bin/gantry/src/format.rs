//! How answers look: tables, sizes, times, and the user's own templates.

pub(crate) mod json;
pub(crate) mod listing;
pub(crate) mod size;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod time;

/// The first twelve characters of an id without its algorithm.
pub(crate) fn short_id(id: &str) -> String {
    let hex = id.split_once(':').map_or(id, |(_, hex)| hex);
    hex.chars().take(12).collect()
}

/// `text` cut to `length` characters, the last of them an ellipsis when something is missing.
pub(crate) fn ellipsis(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    kept + "…"
}

/// `text` in double quotes, with control characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.extend(c.escape_unicode()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_quoted() {
        assert_eq!(ellipsis("sh -c 'while true; do date; done'", 20), "sh -c 'while true; …");
        assert_eq!(ellipsis("short", 20), "short");
        assert_eq!(quoted("a\"b\\\n\u{1b}"), "\"a\\\"b\\\\\\n\\u{1b}\"");
        assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
    }
}
