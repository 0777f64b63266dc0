//! What goes with a container's lines: the labels, variables and the tag that the log's options name. They are
//! the container's own and the same for every line, so that they are not written into its log.

use std::fmt::Write as _;

use regex_lite::Regex;

use crate::plan::{TagFields, render_tag};
use crate::record::ContainerRecord;

/// What `logs --details` puts before each line: `key=value,key=value`, escaped as in a query and in order; empty when the
/// options name nothing.
pub(super) fn of(record: &ContainerRecord, hostname: &str) -> String {
    let mut pairs = chosen(record);
    let options = &record.plan.host_config.log_config.config;
    if let Some(template) = options.get("tag").filter(|tag| !tag.is_empty()) {
        // It was checked when the container was created.
        let tag = render_tag(template, &tag_fields(record, hostname)).unwrap_or_default();
        pairs.push(("tag".to_owned(), tag));
    }
    pairs.sort();
    pairs.dedup_by(|one, other| one.0 == other.0);
    let pairs = pairs.iter().map(|(key, value)| format!("{}={}", escaped(key), escaped(value)));
    pairs.collect::<Vec<_>>().join(",")
}

/// The labels and variables that the options `labels`, `env` and their patterns choose.
pub(in crate::container) fn chosen(record: &ContainerRecord) -> Vec<(String, String)> {
    let (config, options) = (&record.plan.config, &record.plan.host_config.log_config.config);
    let choice = |names: &str, pattern: &str| {
        let names = options.get(names).map(String::as_str).unwrap_or_default();
        let names: Vec<&str> =
            names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        // It was checked when the container was created.
        let pattern = options.get(pattern).filter(|pattern| !pattern.is_empty());
        let pattern = pattern.and_then(|pattern| Regex::new(pattern).ok());
        move |name: &str| {
            names.contains(&name) || pattern.as_ref().is_some_and(|it| it.is_match(name))
        }
    };
    let wanted = choice("labels", "labels-regex");
    let labels = config.labels.iter().filter(|(name, _)| wanted(name));
    let mut pairs: Vec<_> =
        labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let wanted = choice("env", "env-regex");
    let variables = config.env.iter().filter_map(|entry| entry.split_once('='));
    let variables = variables.filter(|(name, _)| wanted(name));
    pairs.extend(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    pairs
}

/// What a tag's fields stand for.
pub(in crate::container) fn tag_fields(record: &ContainerRecord, hostname: &str) -> TagFields {
    TagFields {
        id: record.id.to_string(),
        name: record.name.to_string(),
        image_id: record.image.id.to_string(),
        image_name: record.plan.config.image.clone(),
        command: record.plan.args.join(" "),
        hostname: hostname.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            // Writing into a text cannot fail.
            _ => write!(out, "%{byte:02X}").unwrap_or(()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_queries_do() {
        assert_eq!(escaped("a b=c/é"), "a+b%3Dc%2F%C3%A9");
    }
}
