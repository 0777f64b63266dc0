//! `# syntax=`, `# escape=` and `# check=`: comments at the very top that speak to the parser.

use crate::{Problem, Span, SyntaxError};

/// What the directives say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// The frontend that is asked for, such as `docker/dockerfile:1`.
    pub syntax: Option<String>,
    /// What continues a line and takes the meaning of the next character away: a backslash or a backtick.
    pub escape: char,
    /// What is to be checked.
    pub check: CheckDirective,
}

/// What `# check=` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckDirective {
    /// Rules that are not looked at; `all` is every rule.
    pub skip: Vec<String>,
    /// Experimental rules that are; `all` is every one.
    pub experimental: Vec<String>,
    /// Whether a warning ends the build.
    pub error: bool,
}

impl Directives {
    /// Reads the comments above everything else, until one is no directive.
    pub(super) fn read(text: &str) -> Result<Self, SyntaxError> {
        let mut directives = Self { syntax: None, escape: '\\', check: CheckDirective::default() };
        let mut seen: Vec<String> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let Some((name, value)) = directive(line) else {
                // A shebang makes a Dockerfile executable; directives may follow it.
                if index == 0 && line.starts_with("#!") {
                    continue;
                }
                break;
            };
            let failed = |problem| SyntaxError { span: Span::line(index + 1), problem };
            let name = name.to_ascii_lowercase();
            if seen.contains(&name) {
                return Err(failed(Problem::RepeatedDirective(name)));
            }
            match name.as_str() {
                "syntax" => directives.syntax = Some(value.to_owned()),
                "escape" => directives.escape = escape(value).map_err(failed)?,
                "check" => directives.check = CheckDirective::parse(value).map_err(failed)?,
                _ => {}
            }
            seen.push(name);
        }
        Ok(directives)
    }
}

/// The name and the value of `# name = value`.
fn directive(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim().strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let mut letters = name.chars();
    let is_name = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric());
    (is_name && !value.is_empty()).then_some((name, value))
}

fn escape(value: &str) -> Result<char, Problem> {
    match value {
        "\\" => Ok('\\'),
        "`" => Ok('`'),
        _ => Err(Problem::InvalidEscape(value.to_owned())),
    }
}

impl CheckDirective {
    /// Reads `skip=A,B;error=true;experimental=C`, as the directive and the build argument `BUILDKIT_DOCKERFILE_CHECK` have it.
    pub fn parse(value: &str) -> Result<Self, Problem> {
        let mut check = Self::default();
        for part in value.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let unknown = || Problem::InvalidCheck(part.to_owned());
            let (key, value) = part.split_once('=').ok_or_else(unknown)?;
            let rules = || value.split(',').map(|rule| rule.trim().to_owned()).collect();
            match key.trim() {
                "skip" => check.skip = rules(),
                "experimental" => check.experimental = rules(),
                "error" => {
                    check.error = match value.trim() {
                        "true" | "1" => true,
                        "false" | "0" => false,
                        _ => return Err(unknown()),
                    }
                }
                _ => return Err(unknown()),
            }
        }
        Ok(check)
    }
}
