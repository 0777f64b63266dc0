//! `--cache-from` and `--cache-to`, as users write them.

use std::collections::BTreeMap;

use gantry_archive::Compression;
use gantry_types::{ImageReference, csv};

use crate::Result;
use crate::error::Error;

/// Where earlier builds' steps are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheFrom {
    /// A cache or an image with one in it, in a registry.
    Registry(ImageReference),
    /// A folder of the client's, which knows where it is.
    Local,
}

/// Where steps are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTo {
    /// Where.
    pub place: CachePlace,
    /// Of which steps.
    pub mode: Mode,
    /// What becomes of layers that are not compressed yet.
    pub compression: Option<Compression>,
    /// A failure is told, and no more.
    pub ignores_errors: bool,
}

/// A place for steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    /// The image itself.
    Inline,
    /// A registry.
    Registry(ImageReference),
    /// A folder of the client's.
    Local,
}

/// Which steps are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Those whose layers the image has.
    Min,
    /// Those of all stages.
    Max,
}

impl CacheFrom {
    /// Reads `type=…,…`; a name alone is one in a registry.
    ///
    /// # Errors
    /// It has another form.
    pub fn read(text: &str) -> Result<Self> {
        let mut fields = Fields::read("cache-from", text)?;
        let from = match fields.kind().as_str() {
            "registry" => Self::Registry(fields.reference()?),
            "local" => Self::Local,
            other => {
                return Err(
                    fields.invalid(&format!("the type {other:?} is none of registry and local"))
                );
            }
        };
        fields.end()?;
        Ok(from)
    }
}

impl CacheTo {
    /// Reads `type=…,…`; a name alone is one in a registry.
    ///
    /// # Errors
    /// It has another form.
    pub fn read(text: &str) -> Result<Self> {
        let mut fields = Fields::read("cache-to", text)?;
        let place = match fields.kind().as_str() {
            "inline" => CachePlace::Inline,
            "registry" => CachePlace::Registry(fields.reference()?),
            "local" => CachePlace::Local,
            other => {
                return Err(fields.invalid(&format!(
                    "the type {other:?} is none of inline, registry and local"
                )));
            }
        };
        let mode = match fields.take("mode").as_deref() {
            None | Some("min") => Mode::Min,
            Some("max") if place == CachePlace::Inline => {
                return Err(fields.invalid("an image has no room for mode=max: use type=registry"));
            }
            Some("max") => Mode::Max,
            Some(_) => return Err(fields.invalid("mode is min or max")),
        };
        let compression = match fields.take("compression").as_deref() {
            None => None,
            Some("uncompressed") => Some(Compression::Plain),
            Some("gzip") => Some(Compression::Gzip),
            Some("zstd") => Some(Compression::Zstd),
            Some(_) => return Err(fields.invalid("compression is uncompressed, gzip or zstd")),
        };
        let ignores_errors = fields.take("ignore-error").is_some_and(|value| value == "true");
        fields.end()?;
        Ok(Self { place, mode, compression, ignores_errors })
    }
}

/// `name=value,…`.
struct Fields<'t> {
    what: &'static str,
    text: &'t str,
    given: BTreeMap<String, String>,
}

impl<'t> Fields<'t> {
    fn read(what: &'static str, text: &'t str) -> Result<Self> {
        let mut read = Self { what, text, given: BTreeMap::new() };
        if !text.contains('=') {
            read.given.insert("ref".to_owned(), text.to_owned());
            return Ok(read);
        }
        for field in csv::fields(text).map_err(|reason| read.invalid(&reason))? {
            let (key, value) =
                field.split_once('=').ok_or_else(|| read.invalid("name=value is needed"))?;
            read.given.insert(key.trim().to_owned(), value.to_owned());
        }
        Ok(read)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.given.remove(name).filter(|value| !value.is_empty())
    }

    fn kind(&mut self) -> String {
        self.take("type").unwrap_or_else(|| "registry".to_owned())
    }

    fn reference(&mut self) -> Result<ImageReference> {
        let name = self.take("ref").ok_or_else(|| self.invalid("ref= is needed"))?;
        name.parse().map_err(|error| self.invalid(&format!("{error}")))
    }

    /// All of it was understood.
    fn end(self) -> Result<()> {
        // Gantry's documents are OCI's, and always image manifests.
        let known = ["oci-mediatypes", "image-manifest", "force-compression"];
        match self.given.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(self.invalid(&format!("it has no field {name:?}"))),
            None => Ok(()),
        }
    }

    fn invalid(&self, reason: &str) -> Error {
        Error::invalid(format!("invalid {} {:?}: {reason}", self.what, self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_read() {
        let name = |text: &str| text.parse().unwrap();
        let from = |text: &str| CacheFrom::read(text);
        assert_eq!(from("a/b:c").unwrap(), CacheFrom::Registry(name("a/b:c")));
        assert_eq!(from("type=registry,ref=a").unwrap(), CacheFrom::Registry(name("a")));
        assert_eq!(from("type=local").unwrap(), CacheFrom::Local);
        let to = CacheTo::read("type=registry,ref=x:y,mode=max,compression=zstd").unwrap();
        assert_eq!((to.mode, to.compression), (Mode::Max, Some(Compression::Zstd)));
        assert_eq!(CacheTo::read("type=inline").unwrap().place, CachePlace::Inline);
        for text in [
            "type=gha",
            "type=registry",
            "type=registry,ref=A",
            "type=local,mode=some",
            "type=inline,mode=max",
            "type=local,unknown=1",
        ] {
            assert!(CacheTo::read(text).is_err(), "{text}");
        }
    }
}
