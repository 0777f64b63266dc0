//! A policy: for every image the requirements that it must fulfil, found by the most specific scope.

mod document;
mod requirement;
mod scope;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use gantry_types::ImageReference;

use crate::judge::Rules;
use crate::{Error, Result};

pub(crate) use requirement::{Requirement, Signed};

/// No policy is longer; no key either.
const MAX_BYTES: u64 = 1 << 20;

/// A signature policy, with all its keys; see containers-policy.json(5).
///
/// Only `default` and the transport `docker`, which stands for registries, say something here. The other transports are
/// ways that images go between tools on one machine: they are left alone.
#[derive(Debug)]
pub struct Policy {
    path: PathBuf,
    default: Vec<Requirement>,
    /// By scope; the empty one stands for the whole transport.
    scopes: BTreeMap<String, Vec<Requirement>>,
}

impl Policy {
    /// Reads the policy and the files with keys that it names.
    ///
    /// # Errors
    /// Anything in it that is not understood, with its place: what is overlooked in a policy would be a hole.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_bounded(path)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        let document = document::parse(&text, path)?;
        let reader = requirement::Reader { policy: path };
        let default = reader.all("default", document.default)?;
        let mut scopes = BTreeMap::new();
        for (scope, requirements) in document.transports.docker.0 {
            let place = format!("transports.docker.{scope:?}");
            scope::check(&scope).map_err(|reason| reader.unusable(&place, reason))?;
            scopes.insert(scope, reader.all(&place, requirements)?);
        }
        Ok(Self { path: path.to_owned(), default, scopes })
    }

    /// What holds for one image.
    pub fn rules(&self, image: &ImageReference) -> Rules<'_> {
        let asked = scope::one_name(image);
        let found = scope::candidates(&asked)
            .into_iter()
            .find_map(|scope| self.scopes.get_key_value(&scope));
        let (scope, requirements) = match found {
            Some((scope, requirements)) if scope.is_empty() => {
                ("transport docker".to_owned(), requirements)
            }
            Some((scope, requirements)) => (format!("scope {scope}"), requirements),
            None => ("default".to_owned(), &self.default),
        };
        Rules { policy: &self.path, scope, asked, requirements }
    }
}

/// The whole file, if it is not too long.
pub(crate) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}
