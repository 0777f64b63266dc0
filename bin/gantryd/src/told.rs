//! What the daemon was told, by flags and by file together. The flags stay for as long as the daemon lives; the file is
//! read again whenever somebody asks for it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config_file;
use crate::error::Error;
use crate::flags::Flags;
use crate::given::Given;

/// Keys that both may give: each runtime is a setting of its own.
const ADDED_UP: &str = "runtimes";

/// The flags of one start.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    flags: Map<String, Value>,
    config_file: Option<PathBuf>,
}

impl Told {
    /// Takes the command line in.
    pub(crate) fn new(flags: &Flags) -> Self {
        Self { flags: Self::keys(&flags.given), config_file: flags.config_file.clone() }
    }

    /// What somebody said, by key.
    pub(crate) fn keys(given: &Given) -> Map<String, Value> {
        let mut keys = object(given);
        keys.retain(|_, value| !value.is_null());
        keys
    }

    /// The file that is read, or would be.
    pub(crate) fn config_file(&self) -> &Path {
        self.config_file.as_deref().unwrap_or(Path::new(config_file::DEFAULT_PATH))
    }

    /// Flags and file as one.
    ///
    /// # Errors
    /// The file cannot be read, names a key that there is not or one that a flag gives too, or has a wrong value.
    pub(crate) fn given(&self) -> Result<Given, Error> {
        let (path, file) = config_file::read(self.config_file.as_deref())?;
        self.with(file).map_err(|fault| fault.of(path))
    }

    fn with(&self, mut file: Map<String, Value>) -> Result<Given, Fault> {
        let known = all_keys();
        let unknown: Vec<&str> =
            file.keys().map(String::as_str).filter(|key| !known.contains_key(*key)).collect();
        if !unknown.is_empty() {
            return Err(Fault::Unknown(unknown.join(", ")));
        }
        for (key, value) in &file {
            let one = Map::from_iter([(key.clone(), value.clone())]);
            if let Err(source) = Given::deserialize(Value::Object(one)) {
                return Err(Fault::Value { key: key.clone(), source });
            }
        }
        let twice: Vec<String> = self
            .flags
            .iter()
            .filter(|(key, _)| key.as_str() != ADDED_UP)
            .filter_map(|(key, flag)| Some((key, flag, file.get(key)?)))
            .map(|(key, flag, file)| told_twice(key, flag, file))
            .collect();
        if !twice.is_empty() {
            return Err(Fault::Twice(twice.join(", ")));
        }
        for (key, value) in self.flags.clone() {
            match (file.get_mut(&key), value) {
                (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
                (_, value) => drop(file.insert(key, value)),
            }
        }
        // Each key has been read alone.
        Given::deserialize(Value::Object(file))
            .map_err(|source| Fault::Value { key: "the settings".to_owned(), source })
    }
}

/// What is wrong with a file.
enum Fault {
    Unknown(String),
    Twice(String),
    Value { key: String, source: serde_json::Error },
}

impl Fault {
    fn of(self, path: PathBuf) -> Error {
        match self {
            Self::Unknown(keys) => Error::UnknownKeys { path, keys },
            Self::Twice(keys) => Error::GivenTwice { path, keys },
            Self::Value { key, source } => Error::Value { path, key, source },
        }
    }
}

/// In Docker's words; what proxies are told may have a password in it.
fn told_twice(key: &str, flag: &Value, file: &Value) -> String {
    let shown = |value: &Value| match value {
        _ if key.ends_with("-proxy") => "xxxxx".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    format!("{key}: (from flag: {}, from file: {})", shown(flag), shown(file))
}

/// Every key that there is.
pub(crate) fn all_keys() -> Map<String, Value> {
    object(&Given::default())
}

fn object(given: &Given) -> Map<String, Value> {
    match serde_json::to_value(given) {
        Ok(Value::Object(keys)) => keys,
        // Fields with names are an object; their values are text, numbers, lists and objects.
        Ok(_) | Err(_) => Map::new(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
