//! JSON as Docker's command line writes it: documents of the daemon with line breaks, and otherwise as they came.

/// `text`, which is a document or several in a list, with four blanks for each level.
pub(crate) fn indented(text: &str) -> String {
    indented_by("    ", text)
}

/// The same with `step` for each level.
pub(crate) fn indented_by(step: &str, text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut characters = text.chars().filter(|c| !c.is_ascii_control()).peekable();
    let new_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(step, depth));
    };
    let (mut in_string, mut is_escaped) = (false, false);
    while let Some(c) = characters.next() {
        if in_string {
            in_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            out.push(c);
            continue;
        }
        match c {
            ' ' => {}
            '{' | '[' => {
                out.push(c);
                while characters.next_if_eq(&' ').is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c => {
                in_string = c == '"';
                out.push(c);
            }
        }
    }
    out
}

/// What Go's encoder escapes besides what JSON asks for, so that a document can stand in a web page.
pub(crate) fn escaped(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_their_order_and_texts() {
        for (text, expected) in [
            ("[]", "[]"),
            ("[{}]", "[\n    {}\n]"),
            (
                r#"[{"b":[1, -2.5e3],"a":{"x": null},"t":"{\"[,: \\"}]"#,
                "[\n    {\n        \"b\": [\n            1,\n            -2.5e3\n        ],\n        \"a\": {\n            \
                 \"x\": null\n        },\n        \"t\": \"{\\\"[,: \\\\\"\n    }\n]",
            ),
        ] {
            assert_eq!(indented(text), expected, "{text}");
        }
    }

    #[test]
    fn escapes_as_go_does() {
        assert_eq!(escaped(r#"{"a":"<b> & c"}"#), r#"{"a":"\u003cb\u003e \u0026 c"}"#);
    }
}
