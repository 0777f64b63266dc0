//! What `logs --details` puts before each line: the labels, variables and the tag that the log's options name. They are
//! the container's own and the same for every line, so that they are not written into its log.

use std::fmt::Write as _;

use crate::record::ContainerRecord;

/// `key=value,key=value`, escaped as in a query and in order; empty when the options name nothing.
pub(super) fn of(record: &ContainerRecord) -> String {
    let (config, options) = (&record.plan.config, &record.plan.host_config.log_config.config);
    let named = |option: &str| {
        let names = options.get(option).map(String::as_str).unwrap_or_default();
        names.split(',').map(str::trim).filter(|name| !name.is_empty())
    };
    let mut pairs = Vec::new();
    for name in named("labels") {
        pairs.extend(config.labels.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    for name in named("env") {
        let entries = config.env.iter().filter_map(|entry| entry.split_once('='));
        let own = entries.filter(|(known, _)| *known == name);
        pairs.extend(own.map(|(_, value)| (name.to_owned(), value.to_owned())));
    }
    if let Some(template) = options.get("tag").filter(|tag| !tag.is_empty()) {
        pairs.push(("tag".to_owned(), tag(template, record)));
    }
    pairs.sort();
    pairs.dedup_by(|one, other| one.0 == other.0);
    let pairs = pairs.iter().map(|(key, value)| format!("{}={}", escaped(key), escaped(value)));
    pairs.collect::<Vec<_>>().join(",")
}

/// The fields that a tag may have.
fn tag(template: &str, record: &ContainerRecord) -> String {
    const SHORT: usize = 12;
    let (id, image) = (record.id.as_str(), record.image.id.to_string());
    let short = |text: &str| text.chars().take(SHORT).collect::<String>();
    let bare = image.split_once(':').map_or(image.as_str(), |(_, hex)| hex);
    let mut text = template.to_owned();
    for (field, value) in [
        ("{{.ID}}", short(id)),
        ("{{.FullID}}", id.to_owned()),
        ("{{.Name}}", record.name.to_string()),
        ("{{.ImageID}}", short(bare)),
        ("{{.ImageFullID}}", image.clone()),
        ("{{.ImageName}}", record.plan.config.image.clone()),
        ("{{.DaemonName}}", "gantry".to_owned()),
    ] {
        text = text.replace(field, &value);
    }
    text
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
