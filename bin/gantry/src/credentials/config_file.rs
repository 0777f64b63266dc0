//! `config.json`. Others write into it too: what we do not know stays as it is.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gantry_api::system::AuthConfig;
use serde_json::{Map, Value};

use crate::error::Error;

/// No configuration is longer.
const MAX_BYTES: u64 = 4 << 20;

/// What proxies are called in the file, and in the environment of programs that use them.
const PROXIES: [(&str, &str); 5] = [
    ("httpProxy", "HTTP_PROXY"),
    ("httpsProxy", "HTTPS_PROXY"),
    ("ftpProxy", "FTP_PROXY"),
    ("noProxy", "NO_PROXY"),
    ("allProxy", "ALL_PROXY"),
];

#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    document: Map<String, Value>,
}

impl ConfigFile {
    pub(super) fn read(path: PathBuf) -> Result<Self, Error> {
        let document = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
            Err(source) => return Err(Error::file("read", &path)(source)),
            Ok(found) if found.len() > MAX_BYTES => {
                let text = format!("{} is longer than {MAX_BYTES} bytes", path.display());
                return Err(Error::refused(text));
            }
            Ok(_) => {
                let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
                let text = if text.trim().is_empty() { "{}" } else { &text };
                serde_json::from_str(text).map_err(|error| {
                    Error::refused(format!("{} is no valid configuration: {error}", path.display()))
                })?
            }
        };
        Ok(Self { path, document })
    }

    /// The program that keeps the credentials of a registry, if one does.
    pub(super) fn keeper(&self, key: &str, domain: &str) -> Option<&str> {
        let helpers = self.document.get("credHelpers").and_then(Value::as_object);
        let own = helpers.and_then(|helpers| helpers.get(domain).or_else(|| helpers.get(key)));
        let name = own.or_else(|| self.document.get("credsStore"))?.as_str()?;
        (!name.is_empty()).then_some(name)
    }

    /// The hosts of all that the file has credentials of, or a program of their own for.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        let objects = ["auths", "credHelpers"].into_iter();
        let objects = objects.filter_map(|name| self.document.get(name)?.as_object());
        objects.flat_map(|object| object.keys().map(|key| host(key)))
    }

    /// The credentials in the file. Older tools wrote URLs as keys.
    pub(super) fn auth(&self, key: &str, domain: &str) -> Option<AuthConfig> {
        let auths = self.document.get("auths")?.as_object()?;
        let entry = auths.get(key).or_else(|| {
            let found = auths.iter().find(|(other, _)| host(other) == domain);
            found.map(|(_, entry)| entry)
        })?;
        let mut known: AuthConfig = serde_json::from_value(entry.clone()).ok()?;
        if known.username.is_empty() && !known.auth.is_empty() {
            let bytes = STANDARD.decode(known.auth.trim()).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let (username, password) = text.split_once(':')?;
            username.clone_into(&mut known.username);
            password.trim_end_matches('\0').clone_into(&mut known.password);
        }
        known.auth.clear();
        (known != AuthConfig::default()).then_some(known)
    }

    /// The proxies that containers and builds get, for the daemon at `host` or for all: variables with their values.
    pub(super) fn proxies(&self, host: &str) -> Vec<(String, String)> {
        let all = self.document.get("proxies").and_then(Value::as_object);
        let own = all.and_then(|all| all.get(host).or_else(|| all.get("default")));
        let mut variables = Vec::new();
        for (key, name) in PROXIES {
            let value = own.and_then(|own| own.get(key)?.as_str()).unwrap_or_default();
            if !value.is_empty() {
                // Programs look for the one or the other.
                variables.push((name.to_owned(), value.to_owned()));
                variables.push((name.to_ascii_lowercase(), value.to_owned()));
            }
        }
        variables
    }

    /// Writes an entry; an empty one for credentials that are kept elsewhere.
    pub(super) fn set_auth(&mut self, key: &str, credentials: Option<&AuthConfig>) {
        let mut entry = Map::new();
        if let Some(known) = credentials {
            let pair = if known.identitytoken.is_empty() {
                format!("{}:{}", known.username, known.password)
            } else {
                entry.insert("identitytoken".to_owned(), known.identitytoken.clone().into());
                format!("{}:", known.username)
            };
            entry.insert("auth".to_owned(), STANDARD.encode(pair).into());
        }
        let auths = self.document.entry("auths").or_insert_with(|| Value::Object(Map::new()));
        if !auths.is_object() {
            *auths = Value::Object(Map::new());
        }
        if let Value::Object(auths) = auths {
            auths.insert(key.to_owned(), Value::Object(entry));
        }
    }

    /// Removes an entry; whether there was one.
    pub(super) fn remove_auth(&mut self, key: &str, domain: &str) -> bool {
        let Some(Value::Object(auths)) = self.document.get_mut("auths") else { return false };
        let before = auths.len();
        auths.retain(|other, _| other != key && host(other) != domain);
        auths.len() < before
    }

    /// Writes the file, for its owner alone; the old one stays until the new one is whole.
    pub(super) fn write(&self) -> Result<(), Error> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
        // A link to the real file stays one.
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let fresh = target.with_extension(format!("json.{}", std::process::id()));
        let text = serde_json::to_string_pretty(&self.document)?;
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()))
            .and_then(|()| fs::rename(&fresh, &target));
        written.map_err(|source| {
            drop(fs::remove_file(&fresh));
            Error::file("write", &target)(source)
        })
    }
}

/// The host of a key that may be a URL.
pub(super) fn host(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}
