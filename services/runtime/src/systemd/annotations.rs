//! Properties that a bundle asks for itself: annotations `org.systemd.property.NAME`, whose values are D-Bus values as text.

use std::collections::BTreeMap;

use super::properties::{Property, Value};
use crate::error::Error;

const PREFIX: &str = "org.systemd.property.";

/// The properties among a bundle's annotations.
pub(super) fn properties(annotations: &BTreeMap<String, String>) -> Result<Vec<Property>, Error> {
    let ours = annotations.iter().filter_map(|(key, text)| Some((key.strip_prefix(PREFIX)?, text)));
    ours.map(|(name, text)| property(name, text)).collect()
}

fn property(name: &str, text: &str) -> Result<Property, Error> {
    let refused = |reason: &str| Error::InvalidConfig {
        reason: format!("annotation {PREFIX}{name}={text:?}: {reason}"),
    };
    if name.len() < 3 || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(refused("a property's name has three letters or more"));
    }
    let value = parse(text.trim()).ok_or_else(|| refused("this is no value that D-Bus knows"))?;
    // The configuration files of systemd know seconds, its bus only microseconds.
    let stem = name.strip_suffix("Sec").filter(|stem| {
        stem.ends_with(|letter: char| letter.is_ascii_lowercase()) && !stem.ends_with('U')
    });
    match stem {
        None => Ok(Property::new(name, value)),
        Some(stem) => {
            let value =
                microseconds(&value).ok_or_else(|| refused("this is no number of seconds"))?;
            Ok(Property::new(format!("{stem}USec"), Value::Long(value)))
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a conversion of a number of seconds that is too large stops at the largest"
)]
fn microseconds(value: &Value) -> Option<u64> {
    let whole = |seconds: u64| seconds.checked_mul(1_000_000);
    match value {
        Value::Byte(seconds) => whole((*seconds).into()),
        Value::Short(seconds) => whole((*seconds).into()),
        Value::Long(seconds) => whole(*seconds),
        Value::SignedShort(seconds) => whole(u64::try_from(*seconds).ok()?),
        Value::SignedLong(seconds) => whole(u64::try_from(*seconds).ok()?),
        Value::Fraction(seconds) if *seconds >= 0.0 => Some((seconds * 1e6) as u64),
        _ => None,
    }
}

/// `true`, `7`, `uint64 7`, `1.5`, `'text'`, `"text"`, `['a', 'b']`.
fn parse(text: &str) -> Option<Value> {
    if let Some((kind, number)) = text.split_once(' ') {
        let number = number.trim();
        let value = match kind {
            "byte" => Value::Byte(number.parse().ok()?),
            "uint32" => Value::Short(number.parse().ok()?),
            "uint64" => Value::Long(number.parse().ok()?),
            "int32" => Value::SignedShort(number.parse().ok()?),
            "int64" => Value::SignedLong(number.parse().ok()?),
            "double" => Value::Fraction(finite(number)?),
            _ => return parse_plain(text),
        };
        return Some(value);
    }
    parse_plain(text)
}

fn parse_plain(text: &str) -> Option<Value> {
    match text {
        "true" => return Some(Value::Switch(true)),
        "false" => return Some(Value::Switch(false)),
        _ => {}
    }
    if let Some(list) = text.strip_prefix('[') {
        let list = list.strip_suffix(']')?.trim();
        return texts(list).map(Value::Texts);
    }
    if text.starts_with(['\'', '"']) {
        let (value, rest) = quoted(text)?;
        return rest.trim().is_empty().then_some(Value::Text(value));
    }
    if let Ok(number) = text.parse() {
        return Some(Value::SignedShort(number));
    }
    finite(text).map(Value::Fraction)
}

fn finite(text: &str) -> Option<f64> {
    let digits = text.starts_with(|letter: char| letter.is_ascii_digit() || letter == '-');
    text.parse().ok().filter(|number: &f64| digits && number.is_finite())
}

fn texts(mut list: &str) -> Option<Vec<String>> {
    let mut all = Vec::new();
    while !list.is_empty() {
        let (text, rest) = quoted(list)?;
        all.push(text);
        list = match rest.trim_start() {
            "" => "",
            rest => rest.strip_prefix(',')?.trim_start(),
        };
    }
    Some(all)
}

/// The text between the quotes in front, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut letters = text.char_indices();
    let (_, quote) = letters.next().filter(|(_, letter)| matches!(letter, '\'' | '"'))?;
    let mut value = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.push(letters.next()?.1),
            '\0' => return None,
            _ if letter == quote => return Some((value, &text[at + 1..])),
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expected: Option<(&str, Value)>) {
        let all =
            [(format!("{PREFIX}{name}"), text.to_owned()), ("other".into(), "x".into())].into();
        let expected = expected.map(|(name, value)| vec![Property::new(name, value)]);
        assert_eq!(properties(&all).ok(), expected, "{name}={text}");
    }

    #[test]
    fn annotations_become_properties() {
        let text = |text: &str| Value::Text(text.to_owned());
        check(
            "CollectMode",
            "'inactive-or-failed'",
            Some(("CollectMode", text("inactive-or-failed"))),
        );
        check("Description", r#""it\"s a b""#, Some(("Description", text("it\"s a b"))));
        check(
            "TimeoutStopUSec",
            "uint64 123456789",
            Some(("TimeoutStopUSec", Value::Long(123_456_789))),
        );
        check("TimeoutStopSec", "uint64 5", Some(("TimeoutStopUSec", Value::Long(5_000_000))));
        check("TimeoutStopSec", "1.5", Some(("TimeoutStopUSec", Value::Long(1_500_000))));
        check("SendSIGHUP", "true", Some(("SendSIGHUP", Value::Switch(true))));
        check("Nice", "-5", Some(("Nice", Value::SignedShort(-5))));
        let after = Value::Texts(vec!["a.service".into(), "b.service".into()]);
        check("After", "['a.service', \"b.service\"]", Some(("After", after)));
        check("Wants", "[]", Some(("Wants", Value::Texts(Vec::new()))));
    }

    #[test]
    fn what_is_no_property_is_refused() {
        for (name, text) in [
            ("ab", "true"),
            ("a.b.c", "true"),
            ("TimeoutStopSec", "'soon'"),
            ("TimeoutStopSec", "-1"),
            ("Nice", "five"),
            ("Nice", "uint32 -5"),
            ("Nice", "inf"),
            ("After", "['a'"),
            ("After", "['a' 'b']"),
            ("Description", "'a' 'b'"),
            ("Description", "'a"),
        ] {
            check(name, text, None);
        }
    }
}
