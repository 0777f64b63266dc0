//! What stands after a `$`: names, and what braces do with their values.

use std::borrow::Cow;

use super::pattern::Pattern;
use super::{InvalidSubstitution, MAX_DEPTH, Reader};

impl Reader<'_, '_> {
    /// `$name`, `${name…}`, or a lone dollar.
    pub(super) fn variable(&mut self) -> Result<String, InvalidSubstitution> {
        self.rest.next();
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            let value = self.value(&name);
            return Ok(match value {
                None if self.expander.keeps_unset => format!("${name}"),
                value => value.unwrap_or_default(),
            });
        }
        if self.depth == MAX_DEPTH {
            return Err(InvalidSubstitution::TooDeep);
        }
        self.depth += 1;
        let value = self.in_braces();
        self.depth -= 1;
        value
    }

    fn in_braces(&mut self) -> Result<String, InvalidSubstitution> {
        match self.rest.peek() {
            None => return Err(InvalidSubstitution::MissingBrace),
            Some('{' | '}' | ':') => return Err(InvalidSubstitution::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        let modifier = self.rest.next().ok_or(InvalidSubstitution::MissingBrace)?;
        match modifier {
            '}' => {
                let value = self.value(&name);
                Ok(match value {
                    None if self.expander.keeps_unset => format!("${{{name}}}"),
                    value => value.unwrap_or_default(),
                })
            }
            ':' => {
                let modifier = self.rest.next().ok_or(InvalidSubstitution::MissingBrace)?;
                match modifier {
                    '+' | '-' | '?' => self.by_presence(&name, modifier, ":"),
                    _ => Err(InvalidSubstitution::Modifier(format!(":{modifier}"))),
                }
            }
            '+' | '-' | '?' => self.by_presence(&name, modifier, ""),
            '#' | '%' => self.without_end(&name, modifier),
            '/' => self.replaced(&name),
            _ => Err(InvalidSubstitution::Modifier(modifier.to_string())),
        }
    }

    /// `${name-word}`, `${name+word}`, `${name?word}`; with a colon an empty value counts as none.
    fn by_presence(
        &mut self,
        name: &str,
        modifier: char,
        colon: &str,
    ) -> Result<String, InvalidSubstitution> {
        let word = self.read_to(Some('}'), false)?.text;
        // Who asks whether there is a value is not surprised that there is none: the name counts as no unset one.
        let value = self.expander.variables.value(name).map(Cow::into_owned);
        if value.is_none() && self.expander.keeps_unset {
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let is_unset = value.is_none();
        let usable = value.filter(|value| colon.is_empty() || !value.is_empty());
        match (modifier, usable) {
            ('-', value) => Ok(value.unwrap_or(word)),
            ('+', value) => Ok(value.map(|_| word).unwrap_or_default()),
            (_, Some(value)) => Ok(value),
            (_, None) => {
                let state = if is_unset { "unset" } else { "empty" };
                let message =
                    if word.is_empty() { format!("is not allowed to be {state}") } else { word };
                Err(InvalidSubstitution::Required { name: name.to_owned(), message })
            }
        }
    }

    /// `${name#pattern}`, `${name%pattern}`; doubled, the longest match goes.
    fn without_end(&mut self, name: &str, side: char) -> Result<String, InvalidSubstitution> {
        let is_longest = self.rest.next_if_eq(&side).is_some();
        let word = self.read_to(Some('}'), true)?.text;
        let Some(value) = self.value(name) else {
            let doubled = if is_longest { side.to_string() } else { String::new() };
            let kept = format!("${{{name}{side}{doubled}{word}}}");
            return Ok(if self.expander.keeps_unset { kept } else { String::new() });
        };
        let pattern = Pattern::parse(&word)?;
        Ok(match side {
            '#' => pattern.without_prefix(&value, is_longest),
            _ => pattern.without_suffix(&value, is_longest),
        })
    }

    /// `${name/pattern/text}`; with two slashes every match is replaced.
    fn replaced(&mut self, name: &str) -> Result<String, InvalidSubstitution> {
        let replaces_all = self.rest.next_if_eq(&'/').is_some();
        let word = self.read_to(Some('/'), true)?.text;
        let replacement = self.read_to(Some('}'), true)?.text;
        let Some(value) = self.value(name) else {
            let slash = if replaces_all { "/" } else { "" };
            let kept = format!("${{{name}/{slash}{word}/{replacement}}}");
            return Ok(if self.expander.keeps_unset { kept } else { String::new() });
        };
        Pattern::parse(&word)?.replace(&value, &replacement, replaces_all)
    }

    /// A name, a number, or one of the shell's special parameters.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.rest.peek() {
            Some(first) if first.is_ascii_digit() => {
                while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
                    name.push(digit);
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.rest.next()),
            _ => {
                let belongs = |c: &char| c.is_alphanumeric() || *c == '_';
                while let Some(letter) = self.rest.next_if(belongs) {
                    name.push(letter);
                }
            }
        }
        name
    }
}
