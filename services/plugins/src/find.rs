//! Where a plugin listens: a socket of its name, or a file of its name that says so.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Config, Error, Result};

/// No file that says where a plugin listens is longer.
const MAX_SPEC_BYTES: u64 = 64 << 10;

/// A plugin's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Unix(PathBuf),
    /// Of a managed plugin, which can put whatever it wants in the socket's place.
    Managed(PathBuf),
    /// `host:port`, without TLS.
    Tcp(String),
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) | Self::Managed(path) => {
                write!(formatter, "unix://{}", path.display())
            }
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Spec {
    addr: String,
    #[serde(rename = "TLSConfig")]
    tls: Option<serde_json::Value>,
}

pub(crate) fn address(config: &Config, plugin: &str) -> Result<Address> {
    // A name is no path.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if plugin.is_empty() || plugin.starts_with('.') || !plugin.bytes().all(is_plain) {
        return Err(Error::NotFound(plugin.to_owned()));
    }
    for folder in &config.sockets {
        let socket = format!("{plugin}.sock");
        for path in [folder.join(&socket), folder.join(plugin).join(&socket)] {
            if is_socket(&path) {
                return Ok(Address::Unix(path));
            }
        }
    }
    for folder in config.sockets.iter().chain(&config.specs) {
        for ending in ["spec", "json"] {
            let path = folder.join(format!("{plugin}.{ending}"));
            if path.is_file() {
                return spec(plugin, &path, ending);
            }
        }
    }
    Err(Error::NotFound(plugin.to_owned()))
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

fn spec(plugin: &str, path: &Path, ending: &str) -> Result<Address> {
    let bad =
        |reason: String| Error::Spec { plugin: plugin.to_owned(), path: path.to_owned(), reason };
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(MAX_SPEC_BYTES).read_to_string(&mut text));
    read.map_err(|error| bad(error.to_string()))?;
    let address = if ending == "json" {
        let spec: Spec = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        if spec.tls.is_some_and(|tls| !tls.is_null()) {
            return Err(bad(
                "TLS to plugins is not possible: let it listen at a unix socket".to_owned()
            ));
        }
        spec.addr
    } else {
        text.trim().to_owned()
    };
    if let Some(path) = address.strip_prefix("unix://").filter(|path| path.starts_with('/')) {
        return Ok(Address::Unix(path.into()));
    }
    let tcp = address.strip_prefix("tcp://").or_else(|| address.strip_prefix("http://"));
    match tcp.map(|rest| rest.trim_end_matches('/')).filter(|rest| rest.contains(':')) {
        Some(rest) => Ok(Address::Tcp(rest.to_owned())),
        None => Err(bad(format!("{address:?} is neither unix:///path nor tcp://host:port"))),
    }
}

/// Every name that there is a socket or a file for.
pub(crate) fn names(config: &Config) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in config.sockets.iter().chain(&config.specs) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = PathBuf::from(entry.file_name());
            let is_named = name
                .extension()
                .is_some_and(|ending| ["sock", "spec", "json"].iter().any(|it| ending == *it));
            let stem = if is_named { name.file_stem() } else { Some(name.as_os_str()) };
            names.extend(stem.and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    names.retain(|name| address(config, name).is_ok());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_found_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let config = Config {
            sockets: vec![folder.path().to_owned()],
            specs: vec![at("specs")],
            ..Config::default()
        };
        let _one = std::os::unix::net::UnixListener::bind(at("one.sock")).unwrap();
        fs::create_dir(at("two")).unwrap();
        let _two = std::os::unix::net::UnixListener::bind(at("two/two.sock")).unwrap();
        fs::create_dir(at("specs")).unwrap();
        fs::write(at("specs/three.spec"), "tcp://127.0.0.1:9000\n").unwrap();
        fs::write(at("specs/four.json"), r#"{"Name":"four","Addr":"unix:///run/four"}"#).unwrap();
        fs::write(at("specs/five.json"), r#"{"Addr":"tcp://h:1","TLSConfig":{}}"#).unwrap();
        fs::write(at("specs/six.spec"), "nowhere").unwrap();
        let text = |name: &str| address(&config, name).unwrap().to_string();
        assert_eq!(text("one"), format!("unix://{}", at("one.sock").display()));
        assert!(text("two").ends_with("two/two.sock"));
        assert_eq!(
            (text("three").as_str(), text("four").as_str()),
            ("tcp://127.0.0.1:9000", "unix:///run/four")
        );
        for (name, says) in [
            ("five", "TLS"),
            ("six", "neither"),
            ("seven", "not found"),
            ("../one", "not found"),
            ("", "not found"),
            (".", "not found"),
        ] {
            let error = address(&config, name).unwrap_err().to_string();
            assert!(error.contains(says), "{name}: {error}");
        }
        assert_eq!(Vec::from_iter(names(&config)), ["four", "one", "three", "two"]);
    }
}
