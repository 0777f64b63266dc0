//! `daemon.json` as an object of keys. What they mean stands in `given`.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::Error;

/// The file that is read when none is named and it is there.
pub(crate) const DEFAULT_PATH: &str = "/etc/gantry/daemon.json";
/// No configuration is longer.
const MAX_BYTES: u64 = 1 << 20;
/// Editors of Windows begin a file with it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads the file; without a name, the default one if it is there. The path is for whoever has to tell of it.
pub(crate) fn read(named: Option<&Path>) -> Result<(PathBuf, Map<String, Value>), Error> {
    let path = named.unwrap_or(Path::new(DEFAULT_PATH)).to_owned();
    let keys = match read_bounded(&path) {
        Ok(text) => parse(&text),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(error),
    };
    match keys.and_then(flat) {
        Ok(keys) => Ok((path, keys)),
        Err(source) => Err(Error::ConfigFile { path, source }),
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

fn parse(text: &str) -> io::Result<Map<String, Value>> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).trim();
    if text.is_empty() { Ok(Map::new()) } else { Ok(serde_json::from_str(text)?) }
}

/// Brings two of Docker's keys into the form of all others: `proxies` is a group of keys, and `host-gateway-ip` the
/// older word for a list of one.
fn flat(mut keys: Map<String, Value>) -> io::Result<Map<String, Value>> {
    match keys.remove("proxies") {
        None | Some(Value::Null) => {}
        Some(Value::Object(group)) => {
            for (key, value) in group {
                if !matches!(key.as_str(), "http-proxy" | "https-proxy" | "no-proxy") {
                    let text = format!("proxies.{key} is no setting");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
                keys.insert(key, value);
            }
        }
        Some(_) => {
            let text = "proxies needs to be an object";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
    }
    if let Some(one) = keys.remove("host-gateway-ip") {
        if keys.contains_key("host-gateway-ips") {
            let text = "host-gateway-ip and host-gateway-ips must not both be specified in the config file";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        keys.insert("host-gateway-ips".to_owned(), Value::Array(vec![one]));
    }
    // Nothing said is nothing set.
    keys.retain(|_, value| !value.is_null());
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_s_groups_become_keys() {
        let read = |text: &str| parse(text).and_then(flat);
        let keys = read(
            "\u{feff}{\"proxies\":{\"http-proxy\":\"http://p\"},\"host-gateway-ip\":\"192.0.2.1\",\"dns\":null}",
        )
        .unwrap();
        assert_eq!(keys["http-proxy"], "http://p");
        assert_eq!(keys["host-gateway-ips"], serde_json::json!(["192.0.2.1"]));
        assert_eq!(keys.len(), 2);
        assert!(read(" \n").unwrap().is_empty());
        for text in [
            "[]",
            "{",
            r#"{"proxies":[]}"#,
            r#"{"proxies":{"ftp-proxy":"x"}}"#,
            r#"{"host-gateway-ip":"x","host-gateway-ips":[]}"#,
        ] {
            read(text).unwrap_err();
        }
    }
}
