//! Splitting a line into words, with quotes and backslashes as in a Dockerfile.

/// The words of a line, quotes taken off. `None` when a quote is not closed.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            // In double quotes a backslash only escapes what would mean something there.
            (Some('"'), '\\') => match characters.next()? {
                next @ ('"' | '\\' | '$') => word.get_or_insert_default().push(next),
                next => word.get_or_insert_default().extend(['\\', next]),
            },
            (None, '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// The first word of a line, and what follows it without the blanks between.
pub(super) fn head(line: &str) -> (&str, &str) {
    let line = line.trim();
    line.split_once(char::is_whitespace).map_or((line, ""), |(head, rest)| (head, rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_dockerfile_does() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  a  b ", &["a", "b"]),
            (r#"A="b c" D='e "f"'"#, &["A=b c", "D=e \"f\""]),
            (r"A=b\ c", &["A=b c"]),
            (r#"A="b\"c\n""#, &[r#"A=b"c\n"#]),
            (r"A='b\c'", &[r"A=b\c"]),
            (r#"A="" b"#, &["A=", "b"]),
            (r#""""#, &[""]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), *words, "{line}");
        }
        assert_eq!(split("a 'b"), None);
        assert_eq!(split("a \"b\\"), None);
    }
}
