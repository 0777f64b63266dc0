//! Python's packages: what lies beside each that is installed (PEP 376, PEP 566).

use crate::files::Files;
use crate::package::{Ecosystem, Package};
use crate::system::fields;
use crate::{Found, Result};

/// The package that a file tells of, where it lies in a `….dist-info` or `….egg-info`.
pub(crate) fn packages(files: &Files<'_>, path: &str, found: &mut Found) -> Result<()> {
    let folder = path.rsplit('/').nth(1).unwrap_or_default();
    if !folder.ends_with(".dist-info") && !folder.ends_with(".egg-info") {
        return Ok(());
    }
    let Some(text) = files.text(path)? else { return Ok(()) };
    // The description follows after an empty line.
    let head = text.split("\n\n").next().unwrap_or_default();
    let fields = fields(head);
    let field = |name: &str| {
        let found = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value).unwrap_or_default()
    };
    let (name, version) = (field("Name"), field("Version"));
    if name.is_empty() || version.is_empty() {
        return Ok(());
    }
    let mut package = Package::new(Ecosystem::Python, name, version, path);
    let license = field("License-Expression");
    let license = if license.is_empty() { field("License") } else { license };
    license.clone_into(&mut package.license);
    field("Author").clone_into(&mut package.supplier);
    found.add(package)
}
