//! `--secret id=…,src=…`.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use gantry_types::csv;

use crate::environment;
use crate::error::Error;

/// The most bytes of all secrets together: they travel in a header.
const MAX_BYTES: usize = 128 << 10;

/// The secrets in base64, by id.
pub(super) fn read_all(flags: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let mut secrets = BTreeMap::new();
    let mut bytes = 0;
    for flag in flags {
        let (id, content) = read(flag)?;
        bytes += content.len();
        if bytes > MAX_BYTES {
            return Err(Error::refused(format!(
                "the secrets of a build have {MAX_BYTES} bytes at most"
            )));
        }
        secrets.insert(id, URL_SAFE.encode(content));
    }
    Ok(secrets)
}

fn read(flag: &str) -> Result<(String, Vec<u8>), Error> {
    let invalid = |reason: &str| Error::refused(format!("invalid --secret {flag:?}: {reason}"));
    let (mut id, mut source, mut variable) = (String::new(), None, None);
    for field in csv::fields(flag).map_err(|reason| invalid(&reason))? {
        let (key, value) = field.split_once('=').ok_or_else(|| invalid("key=value is needed"))?;
        match key {
            "id" => value.clone_into(&mut id),
            "src" | "source" => source = Some(value.to_owned()),
            "env" => variable = Some(value.to_owned()),
            "type" if matches!(value, "file" | "env") => {
                if value == "env" && variable.is_none() {
                    variable = Some(String::new());
                }
            }
            _ => return Err(invalid("id, src, env and type are known")),
        }
    }
    if id.is_empty() {
        return Err(invalid("an id is needed"));
    }
    let of_variable = |name: &str| environment::of_user(name).map(String::into_bytes);
    let content = match (source, variable) {
        (Some(path), None) => std::fs::read(Path::new(&path)).map_err(Error::file("read", path))?,
        (None, Some(name)) => {
            let name = if name.is_empty() { id.clone() } else { name };
            of_variable(&name).ok_or_else(|| invalid("there is no such variable"))?
        }
        (None, None) => match of_variable(&id) {
            Some(value) => value,
            None => std::fs::read(&id).map_err(Error::file("read", &id))?,
        },
        (Some(_), Some(_)) => return Err(invalid("src and env contradict each other")),
    };
    Ok((id, content))
}
