//! What is to become of what was built, as users say it: `type=…,name=value,…`. Where on the client's side something comes to lie
//! is not known here.

use std::collections::BTreeMap;

use gantry_archive::Compression;
use gantry_oci::image::Platform;
use gantry_types::ImageReference;

use crate::Result;
use crate::error::Error;

/// One thing that becomes of what was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What it is.
    pub form: Form,
    /// Its names; the build's own where there are none.
    pub names: Vec<ImageReference>,
    /// What becomes of layers that are not compressed yet; nothing where nobody says so.
    pub compression: Option<Compression>,
    /// The level of that, where somebody says one.
    pub level: Option<u32>,
    /// Layers that are compressed already become what others become, too.
    pub recompresses: bool,
    /// Annotations of this output alone.
    pub annotations: Vec<Annotation>,
    /// What names it has by its digest.
    pub by_digest: ByDigest,
    /// Its registry may be spoken to without a certificate that somebody knows.
    pub is_insecure: bool,
    /// Whether files for several platforms come to lie in a directory for each; where they are several, if nobody says so.
    pub is_split: Option<bool>,
}

/// `repository@digest`: when an image gets such a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByDigest {
    /// Instead of its names.
    pub alone: bool,
    /// Beside its names.
    pub as_well: bool,
    /// This repository's, where it has no name.
    pub nameless: Option<ImageReference>,
}

/// What an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An image of this engine, which may go to its registry as well.
    Image {
        /// Whether it does.
        is_pushed: bool,
    },
    /// The archive of an image: an OCI layout that Docker reads, too.
    Archive,
    /// The archive of its files.
    Files {
        /// Whether they become files of the client's user: without owners, devices and attributes.
        is_for_user: bool,
    },
}

/// A note on an image's documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// On which of them.
    pub level: Level,
    /// Of the image for this platform alone, `os/architecture[/variant]`.
    pub platform: Option<String>,
    /// Its name.
    pub key: String,
    /// What it says.
    pub value: String,
}

/// Which document an annotation is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The manifest.
    Manifest,
    /// What leads to the manifest in the index.
    ManifestDescriptor,
    /// The index.
    Index,
}

impl Output {
    /// The image that a build gives where nobody says what.
    pub fn image() -> Self {
        let form = Form::Image { is_pushed: false };
        Self {
            form,
            names: Vec::new(),
            compression: None,
            level: None,
            recompresses: false,
            annotations: Vec::new(),
            by_digest: ByDigest::default(),
            is_insecure: false,
            is_split: None,
        }
    }

    /// Reads a type with its attributes.
    ///
    /// # Errors
    /// One of them is unknown, or has no such value.
    pub fn read(kind: &str, attributes: &BTreeMap<String, String>) -> Result<Self> {
        let form = match kind {
            "image" => Form::Image { is_pushed: false },
            "registry" => Form::Image { is_pushed: true },
            "oci" | "docker" => Form::Archive,
            "local" => Form::Files { is_for_user: true },
            "tar" => Form::Files { is_for_user: false },
            _ => {
                return Err(Error::invalid(format!(
                    "invalid output type {kind:?}: image, registry, oci, docker, local and tar are known"
                )));
            }
        };
        let mut output = Self { form, ..Self::image() };
        for (name, value) in attributes {
            output.set(kind, name, value)?;
        }
        output.check()?;
        Ok(output)
    }

    /// What attributes mean together.
    fn check(&self) -> Result<()> {
        let tag = self.names.iter().find(|name| name.tag().is_some_and(|tag| tag != "latest"));
        if let Some(name) = tag.filter(|_| self.by_digest.alone) {
            return Err(Error::invalid(format!(
                "an image that is pushed by its digest has no tag, and {:?} has one: leave it out, or leave out push-by-digest",
                name.familiar()
            )));
        }
        let highest = self.compression.map_or(22, gantry_archive::highest_level);
        match self.level {
            Some(level) if level > highest => Err(Error::invalid(format!(
                "invalid compression-level {level} of an output: {highest} is the highest"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether others know it by the digest that it has here.
    pub(super) fn is_known_by_digest(&self) -> bool {
        self.by_digest.alone || self.by_digest.as_well || self.by_digest.nameless.is_some()
    }

    fn set(&mut self, kind: &str, name: &str, value: &str) -> Result<()> {
        let is_image = !matches!(self.form, Form::Files { .. });
        let invalid = |wanted: &str| {
            Error::invalid(format!("invalid value {value:?} of {name} in an output: {wanted}"))
        };
        let is_set = || match value {
            "" | "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(invalid("true or false is needed")),
        };
        match (name, &mut self.form) {
            ("name", _) if is_image => {
                self.names = super::super::references(
                    &value.split(',').map(str::to_owned).collect::<Vec<_>>(),
                )?;
            }
            ("push", Form::Image { is_pushed }) => *is_pushed = is_set()?,
            ("compression", _) if is_image => {
                self.compression = Some(match value {
                    "uncompressed" | "none" => Compression::Plain,
                    "gzip" => Compression::Gzip,
                    "zstd" => Compression::Zstd,
                    _ => return Err(invalid("uncompressed, gzip or zstd is needed")),
                });
            }
            ("oci-mediatypes", _) if is_image => {
                if !is_set()? {
                    return Err(invalid("documents have OCI's types, which all tools read"));
                }
            }
            ("compression-level", _) if is_image => {
                let level = value.parse().map_err(|_| invalid("a whole number is needed"))?;
                self.level = Some(level);
            }
            ("force-compression", _) if is_image => self.recompresses = is_set()?,
            ("push-by-digest", Form::Image { .. }) => self.by_digest.alone = is_set()?,
            ("name-canonical", Form::Image { .. }) => self.by_digest.as_well = is_set()?,
            ("dangling-name-prefix", Form::Image { .. }) => {
                let name = value.parse().map_err(|_| invalid("a repository is needed"))?;
                self.by_digest.nameless = Some(name);
            }
            ("registry.insecure", Form::Image { .. }) => self.is_insecure = is_set()?,
            ("store", Form::Image { .. }) => {
                if !is_set()? {
                    return Err(invalid(
                        "what is built is in this engine's store: remove it there",
                    ));
                }
            }
            ("platform-split", Form::Files { .. }) => self.is_split = Some(is_set()?),
            // Where nothing is said, that is so.
            ("unpack" | "rewrite-timestamp", _) => {
                is_set()?;
            }
            (name, _) if is_image && name.starts_with("annotation") => {
                self.annotations.push(Annotation::of_attribute(name, value)?);
            }
            _ => {
                return Err(Error::invalid(format!(
                    "an output of the type {kind} has no attribute {name:?}"
                )));
            }
        }
        Ok(())
    }
}

impl Annotation {
    /// Reads `[level[,level…][\[platform\]]:]key=value`; one for each level.
    ///
    /// # Errors
    /// It has another form, or another level.
    pub fn read(text: &str) -> Result<Vec<Self>> {
        let invalid =
            || Error::invalid(format!("invalid annotation {text:?}: [TYPE:]KEY=VALUE is needed"));
        let (left, value) = text.split_once('=').ok_or_else(invalid)?;
        let (levels, key) = match left.split_once(':') {
            Some((levels, key)) if !levels.contains('.') => (levels, key),
            _ => ("manifest", left),
        };
        if key.is_empty() {
            return Err(invalid());
        }
        let level = |word: &str| {
            let (name, platform) = match word.split_once('[') {
                Some((name, rest)) => (name, Some(rest.strip_suffix(']').ok_or_else(invalid)?)),
                None => (word, None),
            };
            let platform = platform.map(str::to_owned);
            let (key, value) = (key.to_owned(), value.to_owned());
            Ok(Self { level: Level::read(name)?, platform, key, value })
        };
        levels.split(',').map(level).collect()
    }

    /// `annotation[-level][\[platform\]].key`.
    fn of_attribute(name: &str, value: &str) -> Result<Self> {
        let (head, key) = name.split_once('.').unwrap_or((name, ""));
        let level = head.strip_prefix("annotation").unwrap_or_default();
        let level = level.strip_prefix('-').unwrap_or(level);
        let level = match level.split_once('[') {
            Some(("", rest)) => format!("manifest[{rest}"),
            None if level.is_empty() => "manifest".to_owned(),
            _ => level.to_owned(),
        };
        let read = Self::read(&format!("{level}:{key}={value}"))?;
        read.into_iter()
            .next()
            .ok_or_else(|| Error::invalid(format!("invalid annotation {name:?}")))
    }

    /// Whether it is on this document of the image for this platform.
    pub(super) fn is_on(&self, level: Level, platform: &Platform) -> bool {
        let is_for = |wanted: &String| *wanted == platform.to_string();
        self.level == level && self.platform.as_ref().is_none_or(is_for)
    }
}

impl Level {
    fn read(name: &str) -> Result<Self> {
        match name {
            "manifest" => Ok(Self::Manifest),
            "manifest-descriptor" => Ok(Self::ManifestDescriptor),
            "index" => Ok(Self::Index),
            _ => Err(Error::invalid(format!(
                "invalid annotation type {name:?}: manifest, manifest-descriptor and index are known"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, pairs: &[(&str, &str)]) -> Result<Output> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Output::read(kind, &pairs.collect())
    }

    #[test]
    fn outputs_are_read_and_what_is_unknown_is_named() {
        let output = read("image", &[("name", "a:1,b"), ("push", "true"), ("compression", "zstd")]);
        let output = output.unwrap();
        assert_eq!(output.form, Form::Image { is_pushed: true });
        assert_eq!(
            output.names.iter().map(ImageReference::familiar).collect::<Vec<_>>(),
            ["a:1", "b:latest"]
        );
        assert_eq!(output.compression, Some(Compression::Zstd));
        assert_eq!(read("tar", &[]).unwrap().form, Form::Files { is_for_user: false });
        for (kind, pairs, named) in [
            ("zip", &[][..], "zip"),
            ("tar", &[("push", "true")][..], "push"),
            ("image", &[("push", "perhaps")][..], "perhaps"),
            ("oci", &[("compression", "lzma")][..], "lzma"),
            ("image", &[("push-by-digest", "true"), ("name", "a:1")][..], "\"a:1\""),
            ("image", &[("compression", "gzip"), ("compression-level", "10")][..], "10"),
            ("image", &[("compression-level", "-1")][..], "-1"),
            ("image", &[("store", "false")][..], "store"),
            ("image", &[("dangling-name-prefix", "A B")][..], "A B"),
            ("oci", &[("push-by-digest", "true")][..], "push-by-digest"),
            ("oci", &[("platform-split", "true")][..], "platform-split"),
        ] {
            let error = read(kind, pairs).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn annotations_say_where_they_belong() {
        let read = |text: &str| Annotation::read(text);
        let one = &read("org.x:y=1=2").unwrap()[0];
        assert_eq!(
            (one.level, one.key.as_str(), one.value.as_str()),
            (Level::Manifest, "org.x:y", "1=2")
        );
        let two = read("index,manifest[linux/arm64]:k=v").unwrap();
        assert_eq!((two[0].level, two[1].level), (Level::Index, Level::Manifest));
        assert_eq!(two[1].platform.as_deref(), Some("linux/arm64"));
        assert!(read("k").is_err() && read("nowhere:k=v").is_err() && read("=v").is_err());
        let attribute = Annotation::of_attribute("annotation-index.k", "v").unwrap();
        assert_eq!((attribute.level, attribute.key.as_str()), (Level::Index, "k"));
        assert_eq!(Annotation::of_attribute("annotation.a.b", "v").unwrap().key, "a.b");
    }
}
