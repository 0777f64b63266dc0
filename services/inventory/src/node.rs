//! Node's packages: the `package.json` of each that is installed, and the lock of what is to be.

use serde_json::Value;

use crate::files::Files;
use crate::package::{Ecosystem, Package};
use crate::{Found, Result};

/// The most bytes of a document: its values take sixteen times as much in memory.
const MAX_BYTES: u64 = 16 << 20;

/// The packages that a file tells of.
pub(crate) fn packages(files: &Files<'_>, path: &str, found: &mut Found) -> Result<()> {
    let is_lock = path.ends_with("package-lock.json");
    if !is_lock && !is_installed(path) {
        return Ok(());
    }
    let Some(text) = files.text_within(path, MAX_BYTES)? else { return Ok(()) };
    let Ok(document) = serde_json::from_str::<Value>(&text) else { return Ok(()) };
    if !is_lock {
        return of_document(&document, None, path).map_or(Ok(()), |package| found.add(package));
    }
    if let Some(packages) = document["packages"].as_object() {
        for (place, package) in packages {
            let name = place.rsplit_once("node_modules/").map(|(_, name)| name);
            // The first entry is the program itself.
            if let Some(package) = name.and_then(|name| of_document(package, Some(name), path)) {
                found.add(package)?;
            }
        }
    } else if let Some(dependencies) = document["dependencies"].as_object() {
        // The first form of locks; what packages have for themselves lies in them.
        let mut pending: Vec<(&String, &Value)> = dependencies.iter().collect();
        while let Some((name, package)) = pending.pop() {
            if let Some(package) = of_document(package, Some(name), path) {
                found.add(package)?;
            }
            pending.extend(package["dependencies"].as_object().into_iter().flatten());
        }
    }
    Ok(())
}

/// Whether a `package.json` is that of an installed package: `…/node_modules/[@scope/]name/package.json`.
fn is_installed(path: &str) -> bool {
    let names: Vec<&str> = path.split('/').collect();
    match names[..] {
        [.., "node_modules", name, _] => !name.starts_with('@'),
        [.., "node_modules", scope, _, _] => scope.starts_with('@'),
        _ => false,
    }
}

fn of_document(document: &Value, name: Option<&str>, path: &str) -> Option<Package> {
    let name = document["name"].as_str().or(name)?;
    let version = document["version"].as_str()?;
    let mut package = Package::new(Ecosystem::Node, name, version, path);
    let license = document["license"].as_str().or(document["license"]["type"].as_str());
    license.unwrap_or_default().clone_into(&mut package.license);
    let author = document["author"].as_str().or(document["author"]["name"].as_str());
    author.unwrap_or_default().clone_into(&mut package.supplier);
    Some(package)
}
