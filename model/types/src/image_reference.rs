//! Image references by Docker's grammar: `[domain/]path[:tag][@digest]`, with its defaults for domain, path and tag.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::hex::is_hex;

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const MAX_NAME_LEN: usize = 255;
const MAX_TAG_LEN: usize = 128;

/// Why a text is not an image reference; the texts are the ones Docker's users know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// The grammar does not match.
    #[error("invalid reference format")]
    Format,
    /// Repository names have no capitals.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// Longer than the grammar allows.
    #[error("repository name must not be more than {MAX_NAME_LEN} characters")]
    TooLong,
    /// 64 hexadecimal digits would be taken for an id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId(String),
}

/// A normalised image reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageReference {
    /// The registry, `docker.io` by default.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository at the registry; official images stand under `library/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag; `latest` unless the text named a tag or a digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, when the text named one.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Domain and path, without tag and digest: `docker.io/library/busybox`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Domain and path the way people write them: `busybox`, `user/app`, `registry:5000/app`.
    pub fn familiar_repository(&self) -> String {
        if self.domain == DEFAULT_DOMAIN {
            let short = self.path.strip_prefix(OFFICIAL_PREFIX).filter(|rest| !rest.contains('/'));
            let short = short.unwrap_or(&self.path);
            // Docker's users may have names that look like registries: shortened, they would mean those.
            match short.split_once('/') {
                Some((first, _)) if looks_like_domain(first) => self.repository(),
                _ => short.to_owned(),
            }
        } else {
            self.repository()
        }
    }

    /// The whole reference the way people write it: `busybox:latest`.
    pub fn familiar(&self) -> String {
        self.with_suffixes(self.familiar_repository())
    }

    /// The same repository with another tag and no digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, InvalidReference> {
        if !is_tag(tag) {
            return Err(InvalidReference::Format);
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    fn with_suffixes(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }
}

/// Splits off the domain: the first component is one when it has a dot, a colon or capitals, or is `localhost`.
fn split_domain(name: &str) -> (String, String) {
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if looks_like_domain(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, name),
    };
    let domain = if domain == LEGACY_DEFAULT_DOMAIN { DEFAULT_DOMAIN } else { domain };
    if domain == DEFAULT_DOMAIN && !path.contains('/') {
        (domain.to_owned(), format!("{OFFICIAL_PREFIX}{path}"))
    } else {
        (domain.to_owned(), path.to_owned())
    }
}

fn looks_like_domain(first: &str) -> bool {
    first.contains(['.', ':'])
        || first == "localhost"
        || first.bytes().any(|b| b.is_ascii_uppercase())
}

/// `host[:port]`, where host is a DNS name, an IPv4 address or a bracketed IPv6 address.
fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, rest)) => {
                if address.is_empty()
                    || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
                {
                    return false;
                }
                ("v6", rest)
            }
            None => return false,
        },
        None => match text.find(':') {
            Some(colon) => text.split_at(colon),
            None => (text, ""),
        },
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let port_valid = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    port_valid && host.split('.').all(label)
}

/// Lower-case alphanumerics, joined by `.`, `_`, `__` or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends_valid = bytes.first().copied().is_some_and(alphanumeric)
        && bytes.last().copied().is_some_and(alphanumeric);
    ends_valid
        && text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= MAX_TAG_LEN
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

impl FromStr for ImageReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if text.len() == 64 && is_hex(text) {
            return Err(InvalidReference::LooksLikeId(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse().map_err(|_| InvalidReference::Format)?))
            }
            None => (text, None),
        };
        let last_component = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last_component..].find(':') {
            Some(colon) => {
                let (name, tag) = rest.split_at(last_component + colon);
                (name, Some(&tag[1..]))
            }
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(InvalidReference::Format);
        }
        let (domain, path) = split_domain(name);
        if !is_domain(&domain) {
            return Err(InvalidReference::Format);
        }
        if !path.split('/').all(is_path_component) {
            let lower = path.to_ascii_lowercase();
            let only_capitals = lower != path && lower.split('/').all(is_path_component);
            return Err(if only_capitals {
                InvalidReference::Uppercase(path)
            } else {
                InvalidReference::Format
            });
        }
        if domain.len() + 1 + path.len() > MAX_NAME_LEN {
            return Err(InvalidReference::TooLong);
        }
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, None) => Some(DEFAULT_TAG.to_owned()),
            (None, Some(_)) => None,
        };
        Ok(Self { domain, path, tag, digest })
    }
}

impl TryFrom<String> for ImageReference {
    type Error = InvalidReference;
    fn try_from(text: String) -> Result<Self, InvalidReference> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(reference: ImageReference) -> String {
        reference.to_string()
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffixes(self.repository()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_docker_s_defaults() {
        let hex = "a".repeat(64);
        let cases = [
            ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("user/app:1.0", "docker.io/user/app:1.0", "user/app:1.0"),
            ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
            ("reg:5000/a/b:t", "reg:5000/a/b:t", "reg:5000/a/b:t"),
            ("index.docker.io/library/a", "docker.io/library/a:latest", "a:latest"),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
            ("a__b--c.d", "docker.io/library/a__b--c.d:latest", "a__b--c.d:latest"),
            ("docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest"),
        ];
        for (text, full, familiar) in cases {
            let reference: ImageReference = text.parse().unwrap();
            assert_eq!(reference.to_string(), full);
            assert_eq!(reference.familiar(), familiar);
            assert_eq!(full.parse(), Ok(reference), "{full}");
        }
        let pinned: ImageReference = format!("busybox@sha256:{hex}").parse().unwrap();
        assert_eq!(pinned.tag(), None);
        assert_eq!(pinned.familiar(), format!("busybox@sha256:{hex}"));
    }

    #[test]
    fn refuses_what_docker_refuses() {
        use InvalidReference::{Format, LooksLikeId, TooLong, Uppercase};
        let id = "f".repeat(64);
        let long = "a".repeat(250);
        let cases = [
            ("", Format),
            ("a b", Format),
            ("-a", Format),
            ("a..b", Format),
            ("a/../b", Format),
            ("a:", Format),
            ("a:-x", Format),
            ("a@sha256:12", Format),
            ("/a", Format),
            ("a/", Format),
            ("Busybox", Uppercase("library/Busybox".into())),
            (id.as_str(), LooksLikeId(id.clone())),
            (long.as_str(), TooLong),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<ImageReference>(), Err(error), "{text}");
        }
    }
}
