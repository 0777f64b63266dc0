//! One package, and what it is called everywhere: its package URL (purl-spec).

use std::fmt::Write;

/// A package that is installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Package {
    /// Whose package it is.
    pub ecosystem: Ecosystem,
    /// Its name; of Node's with their scope, `@scope/name`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it was built for, in its ecosystem's own words; empty where it says nothing.
    pub architecture: String,
    /// Under which licence it says that it is; empty where it says nothing.
    pub license: String,
    /// Who maintains it; empty where it says nothing.
    pub supplier: String,
    /// The file that tells of it, without a slash at its beginning.
    pub found_in: String,
}

/// A package manager's world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ecosystem {
    /// dpkg.
    Debian,
    /// apk.
    Alpine,
    /// rpm; versions are `[epoch:]version-release`.
    Rpm,
    /// pip and its kind.
    Python,
    /// npm and its kind.
    Node,
    /// cargo.
    Rust,
}

/// A distribution, by `/etc/os-release`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// `ID`: `debian`, `alpine`.
    pub id: String,
    /// `VERSION_ID`: `12`.
    pub version: String,
}

impl Package {
    /// A package of which only this is known.
    pub(crate) fn new(ecosystem: Ecosystem, name: &str, version: &str, found_in: &str) -> Self {
        Self {
            ecosystem,
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: String::new(),
            license: String::new(),
            supplier: String::new(),
            found_in: found_in.to_owned(),
        }
    }

    /// Bytes of all that is said of it.
    pub(crate) fn bytes(&self) -> usize {
        let Self { ecosystem: _, name, version, architecture, license, supplier, found_in } = self;
        [name, version, architecture, license, supplier, found_in].map(String::len).iter().sum()
    }

    /// Its package URL.
    pub fn url(&self, distribution: Option<&Distribution>) -> String {
        let id = |default: &str| distribution.map_or(default.to_owned(), |found| found.id.clone());
        let namespace_and_name = match self.ecosystem {
            Ecosystem::Debian => format!("deb/{}/{}", escaped(&id("debian")), escaped(&self.name)),
            Ecosystem::Alpine => format!("apk/{}/{}", escaped(&id("alpine")), escaped(&self.name)),
            Ecosystem::Rpm => format!("rpm/{}/{}", escaped(&id("redhat")), escaped(&self.name)),
            // Names differ in nothing but case and in which of the two they have.
            Ecosystem::Python => {
                format!("pypi/{}", escaped(&self.name.to_lowercase().replace('_', "-")))
            }
            Ecosystem::Node => {
                let parts: Vec<String> = self.name.split('/').map(escaped).collect();
                format!("npm/{}", parts.join("/"))
            }
            Ecosystem::Rust => format!("cargo/{}", escaped(&self.name)),
        };
        let mut qualifiers = Vec::new();
        if !self.architecture.is_empty() {
            qualifiers.push(format!("arch={}", escaped(&self.architecture)));
        }
        let (epoch, version) = match self.version.split_once(':') {
            Some((epoch, version)) if self.ecosystem == Ecosystem::Rpm => (Some(epoch), version),
            _ => (None, self.version.as_str()),
        };
        qualifiers.extend(epoch.map(|epoch| format!("epoch={}", escaped(epoch))));
        if let (Ecosystem::Debian | Ecosystem::Alpine | Ecosystem::Rpm, Some(found)) =
            (self.ecosystem, distribution)
            && !found.version.is_empty()
        {
            qualifiers.push(format!("distro={}-{}", escaped(&found.id), escaped(&found.version)));
        }
        let qualifiers = if qualifiers.is_empty() {
            String::new()
        } else {
            format!("?{}", qualifiers.join("&"))
        };
        format!("pkg:{namespace_and_name}@{}{qualifiers}", escaped(version))
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':') {
            escaped.push(char::from(byte));
        } else if write!(escaped, "%{byte:02X}").is_err() {
            // A string takes everything.
            break;
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_have_urls() {
        let check = |ecosystem, name: &str, version: &str, architecture: &str, url: &str| {
            let mut package = Package::new(ecosystem, name, version, "x");
            architecture.clone_into(&mut package.architecture);
            let debian = Distribution { id: "debian".to_owned(), version: "12".to_owned() };
            assert_eq!(package.url(Some(&debian)), url);
        };
        check(
            Ecosystem::Debian,
            "libstdc++6",
            "1:12.2-1+b1",
            "amd64",
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2-1%2Bb1?arch=amd64&distro=debian-12",
        );
        check(
            Ecosystem::Rpm,
            "bash",
            "1:5.2-3.fc41",
            "x86_64",
            "pkg:rpm/debian/bash@5.2-3.fc41?arch=x86_64&epoch=1&distro=debian-12",
        );
        check(Ecosystem::Python, "Typing_Extensions", "4.1", "", "pkg:pypi/typing-extensions@4.1");
        check(Ecosystem::Node, "@babel/core", "7.0.0", "", "pkg:npm/%40babel/core@7.0.0");
        check(Ecosystem::Rust, "serde", "1.0.0", "", "pkg:cargo/serde@1.0.0");
    }
}
