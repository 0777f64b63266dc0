//! The packages of a distribution: the databases of dpkg (deb-control(5)) and apk (`lib/apk/db/installed`), and which distribution
//! it is (os-release(5)).

use crate::files::Files;
use crate::package::{Distribution, Ecosystem, Package};
use crate::{Found, Result};

/// Where dpkg notes what is installed; images without a package manager have a file for each package beside it.
const DPKG: &str = "var/lib/dpkg/status";
const DPKG_PARTS: &str = "var/lib/dpkg/status.d";
/// Where apk notes it, in older images and in newer ones.
const APK: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

/// What dpkg has installed.
pub(crate) fn dpkg(
    files: &Files<'_>,
    wanted: &dyn Fn() -> Result<()>,
    found: &mut Found,
) -> Result<()> {
    let parts = files.names(DPKG_PARTS)?.into_iter();
    let parts = parts.filter(|name| !name.ends_with(".md5sums"));
    let paths = parts.map(|name| format!("{DPKG_PARTS}/{name}"));
    for path in [DPKG.to_owned()].into_iter().chain(paths) {
        wanted()?;
        let Some(text) = files.text(&path)? else { continue };
        let is_database = path == DPKG;
        for stanza in text.split("\n\n") {
            let fields = fields(stanza);
            let field = |name: &str| {
                let found = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| *value).unwrap_or_default()
            };
            // What was removed is there with its settings.
            let is_installed = !is_database || field("Status").ends_with(" installed");
            let (name, version) = (field("Package"), field("Version"));
            if !is_installed || name.is_empty() || version.is_empty() {
                continue;
            }
            let mut package = Package::new(Ecosystem::Debian, name, version, &path);
            field("Architecture").clone_into(&mut package.architecture);
            field("Maintainer").clone_into(&mut package.supplier);
            found.add(package)?;
        }
    }
    Ok(())
}

/// What apk has installed.
pub(crate) fn apk(files: &Files<'_>, found: &mut Found) -> Result<()> {
    for path in APK {
        let Some(text) = files.text(path)? else { continue };
        for stanza in text.split("\n\n") {
            let field = |letter: &str| {
                let line = stanza.lines().find_map(|line| line.strip_prefix(letter));
                line.unwrap_or_default().trim()
            };
            let (name, version) = (field("P:"), field("V:"));
            if name.is_empty() || version.is_empty() {
                continue;
            }
            let mut package = Package::new(Ecosystem::Alpine, name, version, path);
            field("A:").clone_into(&mut package.architecture);
            field("L:").clone_into(&mut package.license);
            field("m:").clone_into(&mut package.supplier);
            found.add(package)?;
        }
    }
    Ok(())
}

/// Which distribution it is.
pub(crate) fn distribution(files: &Files<'_>) -> Result<Option<Distribution>> {
    for path in ["etc/os-release", "usr/lib/os-release"] {
        let Some(text) = files.text(path)? else { continue };
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
        };
        let found = Distribution { id: field("ID"), version: field("VERSION_ID") };
        if !found.id.is_empty() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The fields of a stanza, each with its first line: what follows is text.
pub(crate) fn fields<'t>(stanza: &'t str) -> Vec<(&'t str, &'t str)> {
    let lines = stanza.lines().filter(|line| !line.starts_with([' ', '\t']));
    let pair = |line: &'t str| {
        let (key, value) = line.split_once(':')?;
        Some((key.trim(), value.trim()))
    };
    lines.filter_map(pair).collect()
}
