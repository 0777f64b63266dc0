//! Files with one variable or label a line.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::environment;
use crate::error::Error;

/// Such files are written by people; a longer one is something else.
const LIMIT_BYTES: u64 = 4 << 20;

/// The variables of a file: `NAME=value`, `NAME` to take it from our environment, `#` for a comment.
pub(crate) fn env_file(path: &Path) -> Result<Vec<String>, Error> {
    let entries = parse(&read(path)?).map_err(|reason| {
        Error::refused(format!("invalid env file ({}): {reason}", path.display()))
    })?;
    // A variable that we do not have is left out here, where the user may not have meant us to have it.
    Ok(entries
        .iter()
        .map(|entry| environment_entry(entry))
        .filter(|entry| entry.contains('='))
        .collect())
}

/// The labels of a file, written as in [`env_file`]; a bare name is a label without a value.
pub(crate) fn label_file(path: &Path) -> Result<Vec<String>, Error> {
    parse(&read(path)?).map_err(|reason| {
        Error::refused(format!("invalid label file ({}): {reason}", path.display()))
    })
}

/// A variable with its value; one without a value gets ours. A bare name is left when we have none, which takes the
/// image's variable away.
pub(crate) fn environment_entry(entry: &str) -> String {
    match environment::of_user(entry) {
        Some(value) if !entry.contains('=') => format!("{entry}={value}"),
        _ => entry.to_owned(),
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let file = File::open(path).map_err(Error::file("open", path))?;
    let mut bytes = Vec::new();
    file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(Error::file("read", path))?;
    if bytes.len() as u64 > LIMIT_BYTES {
        let text = format!("{} is longer than {LIMIT_BYTES} bytes", path.display());
        return Err(Error::refused(text));
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::refused(format!("{} holds bytes that are not UTF-8", path.display())))
}

fn parse(text: &str) -> Result<Vec<String>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut entries = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (line.trim_end(), None),
        };
        if name.is_empty() {
            return Err(format!("no variable name on line '{line}'"));
        }
        if name.contains(char::is_whitespace) {
            return Err(format!("variable '{name}' contains whitespaces"));
        }
        entries.push(value.map_or_else(|| name.to_owned(), |value| format!("{name}={value}")));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_comments_and_blanks() {
        let text = "\u{feff}# comment\nA=1\n\n  B=two words \nC=\nD  \n";
        assert_eq!(parse(text).unwrap(), ["A=1", "B=two words ", "C=", "D"]);
    }

    #[test]
    fn malformed_lines_are_named() {
        assert_eq!(parse("C = x").unwrap_err(), "variable 'C ' contains whitespaces");
        assert_eq!(parse("=x").unwrap_err(), "no variable name on line '=x'");
    }

    #[test]
    fn values_come_from_our_environment() {
        assert_eq!(environment_entry("A=b"), "A=b");
        assert!(environment_entry("PATH").starts_with("PATH="));
        assert_eq!(environment_entry("NO_SUCH_VARIABLE_HERE"), "NO_SUCH_VARIABLE_HERE");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = env_file(Path::new("/nonexistent/env")).unwrap_err().report();
        assert!(error.starts_with("open /nonexistent/env: No such file or directory"), "{error}");
    }
}
