//! A list of packages as an SPDX 2.3 document in JSON.

use gantry_types::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{Inventory, Package};

/// The type of a statement that has such a document.
pub const PREDICATE: &str = "https://spdx.dev/Document";

/// What says nothing.
const NOTHING: &str = "NOASSERTION";

/// Licences that are called in documents as SPDX calls them; what is none of these is quoted in a remark.
const LICENSES: [&str; 40] = [
    "0BSD",
    "AFL-2.1",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-2.0",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "EPL-2.0",
    "GPL-1.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "ISC",
    "LGPL-2.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MIT-0",
    "MPL-1.1",
    "MPL-2.0",
    "OpenSSL",
    "PSF-2.0",
    "Python-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "W3C",
    "WTFPL",
    "X11",
    "Zlib",
];

/// The document about what is called `subject`, made at `created`. The same inventory gives the same document.
pub fn document(inventory: &Inventory, subject: &str, created: Timestamp) -> Value {
    let root = json!({
        "SPDXID": "SPDXRef-DocumentRoot-Image",
        "name": subject,
        "downloadLocation": NOTHING,
        "filesAnalyzed": false,
        "licenseConcluded": NOTHING,
        "licenseDeclared": NOTHING,
        "copyrightText": NOTHING,
        "primaryPackagePurpose": "CONTAINER",
    });
    let mut packages = vec![root];
    let mut relationships =
        vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-DocumentRoot-Image")];
    for (number, found) in inventory.packages.iter().enumerate() {
        let id = format!("SPDXRef-Package-{}", number + 1);
        packages.push(package(found, &id, inventory));
        relationships.push(relation("SPDXRef-DocumentRoot-Image", "CONTAINS", &id));
    }
    // Whoever lists the same has the same name for it.
    let hash = Sha256::digest(Value::from(packages.clone()).to_string());
    let hash = hash.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": subject,
        "documentNamespace": format!("urn:gantry:sbom:{hash}"),
        "creationInfo": {
            "created": Timestamp { nanos: 0, ..created }.to_string(),
            "creators": [format!("Tool: gantry-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relationships,
    })
}

fn package(found: &Package, id: &str, inventory: &Inventory) -> Value {
    let declared = if is_expression(&found.license) { found.license.as_str() } else { NOTHING };
    let mut package = json!({
        "SPDXID": id,
        "name": found.name,
        "versionInfo": found.version,
        "downloadLocation": NOTHING,
        "filesAnalyzed": false,
        "licenseConcluded": NOTHING,
        "licenseDeclared": declared,
        "copyrightText": NOTHING,
        "sourceInfo": format!("found in /{}", found.found_in),
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": found.url(inventory.distribution.as_ref()),
        }],
    });
    if declared == NOTHING && !found.license.is_empty() {
        package["licenseComments"] = json!(format!("it says: {}", found.license));
    }
    if !found.supplier.is_empty() {
        package["supplier"] = json!(format!("Person: {}", found.supplier));
    }
    package
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

/// Whether a text is an expression of licences that are known.
fn is_expression(text: &str) -> bool {
    let words = text.split([' ', '(', ')']).filter(|word| !word.is_empty());
    let mut names = 0;
    let mut known = words.map(|word| {
        let is_name = LICENSES.contains(&word);
        names += usize::from(is_name);
        is_name || matches!(word, "AND" | "OR")
    });
    let all = known.all(|known| known);
    all && names > 0 && text.matches('(').count() == text.matches(')').count()
}
