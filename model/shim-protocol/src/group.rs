//! Groups: several containers in one shim. Which container belongs to which group, where the group's
//! address is kept, and the call by which a container joins a shim that runs already. Who makes the
//! files and the call is not here.
//!
//! Follows containerd's `containerd-shim-runc-v2` in which annotations make a group. That shim finds its
//! group by a hash in the socket's name; here a file beside the sockets holds the address.

use crate::Error;
use crate::wire::messages;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The annotations that name a group; the first that is there counts.
pub const GROUP_ANNOTATIONS: [&str; 2] =
    ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"];

/// The service by which a container joins a shim.
pub const GROUP_SERVICE: &str = "gantry.shim.v1.Group";
/// Its method.
pub const JOIN_METHOD: &str = "Join";

/// The longest name of a group's file: directories allow 255 bytes, and a draft has a longer name.
const MAX_NAME_BYTES: usize = 240;

messages! {
    /// Says that Create will follow for this container. Until then, or for a minute, the shim stays.
    pub struct JoinRequest {
        1 => id: String,
        2 => bundle: String,
    }
}

#[derive(Deserialize)]
struct Annotated {
    #[serde(default)]
    annotations: Option<BTreeMap<String, Value>>,
}

/// Only text can name a group; annotations of other types are somebody else's mistake.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Other(IgnoredAny),
}

/// The group that a bundle's `config.json` puts its container into; `None`: it has a shim of its own.
pub fn group_of(config: &[u8]) -> Result<Option<String>, Error> {
    // Nearly all containers are in none, and a configuration is long. What is no text at all is refused by
    // whoever reads all of it.
    let Ok(text) = std::str::from_utf8(config) else { return Ok(None) };
    if !GROUP_ANNOTATIONS.into_iter().any(|name| text.contains(name)) {
        return Ok(None);
    }
    let config: Annotated = serde_json::from_str(text)
        .map_err(|_| Error::Group("config.json is not the JSON of a container"))?;
    let annotations = config.annotations.unwrap_or_default();
    let text = |name: &str| match annotations.get(name) {
        Some(Value::Text(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    Ok(GROUP_ANNOTATIONS.into_iter().find_map(text))
}

/// The name of the file that holds a group's address. Bytes that a name should not have are written as
/// `%` and two digits, so that different groups never share one.
pub fn file_name(namespace: &str, group: &str) -> Result<String, Error> {
    let mut name = "gantry-group-".to_owned();
    for (part, end) in [(namespace, "+"), (group, "")] {
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
                name.push(byte as char);
            } else {
                // Text always takes more text.
                write!(name, "%{byte:02X}").unwrap_or_default();
            }
        }
        name.push_str(end);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::Group("its name is too long: 200 letters are possible"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &str, group: Option<&str>) {
        assert_eq!(group_of(config.as_bytes()).unwrap().as_deref(), group, "{config}");
    }

    #[test]
    fn the_first_annotation_names_the_group() {
        check("{}", None);
        check(r#"{"annotations":null}"#, None);
        check(r#"{"annotations":{"x":"y"},"process":{"args":["a"]}}"#, None);
        check(r#"{"annotations":{"io.kubernetes.cri.sandbox-id":"pod"}}"#, Some("pod"));
        check(
            r#"{"annotations":{"io.kubernetes.cri.sandbox-id":"b","io.containerd.runc.v2.group":"a"}}"#,
            Some("a"),
        );
        check(r#"{"annotations":{"io.containerd.runc.v2.group":3}}"#, None);
        check(r#"{"annotations":{"io.containerd.runc.v2.group":""}}"#, None);
        assert_eq!(group_of(b"\xff io.containerd.runc.v2.group"), Ok(None));
        assert!(group_of(br#"["io.containerd.runc.v2.group"]"#).is_err());
    }

    #[test]
    fn names_of_files_are_safe_and_differ() {
        assert_eq!(file_name("ns", "pod-1").unwrap(), "gantry-group-ns+pod-1");
        let names = [("a", "b+c"), ("a+b", "c"), ("a", "../b"), ("a", "/b"), ("a", "%2Fb")]
            .map(|(namespace, group)| file_name(namespace, group).unwrap());
        for (at, name) in names.iter().enumerate() {
            assert!(!name.contains(['/', '.']), "{name}");
            assert!(!names[..at].contains(name), "{name}");
        }
        assert!(file_name("a", &"x".repeat(255)).is_err());
    }
}
