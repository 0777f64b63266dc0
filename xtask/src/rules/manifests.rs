//! Rules about the Cargo.toml of each crate.

use toml::Value;

use crate::Findings;
use crate::checkout::Checkout;

pub(crate) fn lints_inherited(checkout: &Checkout, findings: &mut Findings) {
    for member in &checkout.members {
        let inherits = member
            .manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"))
            .and_then(Value::as_bool);
        if inherits != Some(true) {
            findings.add(
                &member.manifest_path(),
                None,
                format!(
                    "{} does not take the workspace's lints: add `[lints] workspace = true`",
                    member.name
                ),
            );
        }
    }
}

pub(crate) fn versions_in_one_place(checkout: &Checkout, findings: &mut Findings) {
    for member in &checkout.members {
        for dependency in member.dependencies.iter().filter(|dependency| !dependency.inherits) {
            findings.add(
                &member.manifest_path(),
                None,
                format!(
                    "[{}] {} does not say `workspace = true`: its version belongs in [workspace.dependencies]",
                    dependency.section, dependency.name
                ),
            );
        }
    }
}
