//! Rules about who may know whom.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::Findings;
use crate::checkout::{Checkout, Member, Place};

const SERVICES: Place = Place::Floor(2);
const ENGINE: u8 = 3;
const BIN: u8 = 5;

/// Crates whose floor may use them too.
fn serves_its_own_floor(member: &Member) -> bool {
    member.place == Place::Floor(0) || member.folder == Path::new("foundation/sys")
}

pub(crate) fn point_down(checkout: &Checkout, findings: &mut Findings) {
    for member in &checkout.members {
        let manifest = member.manifest_path();
        if member.place == Place::Nowhere {
            findings.add(
                &manifest,
                None,
                format!("{} is in no folder of the house: give it a floor", member.name),
            );
        }
        let mut services = Vec::new();
        for dependency in &member.dependencies {
            let Some(used) = checkout.member(&dependency.name) else { continue };
            if let Some(reason) = forbidden(member, used, dependency.section) {
                findings.add(
                    &manifest,
                    None,
                    format!("{} uses {}: {reason}", member.name, used.name),
                );
            }
            if used.place == SERVICES && !services.contains(&used.name) {
                services.push(used.name.clone());
            }
        }
        let may_know_several = matches!(member.place, Place::Floor(ENGINE | BIN) | Place::Beside);
        if services.len() > 1 && member.place != SERVICES && !may_know_several {
            findings.add(
                &manifest,
                None,
                format!(
                    "{} knows several services ({}): only the engine may",
                    member.name,
                    services.join(", ")
                ),
            );
        }
    }
}

fn forbidden(member: &Member, used: &Member, section: &str) -> Option<&'static str> {
    let own = match member.place {
        Place::Floor(own) => own,
        Place::Beside => return None,
        Place::Nowhere => return Some("a crate without a floor has no floors below it"),
    };
    match used.place {
        Place::Beside if used.name == "gantry-testkit" && section == "dev-dependencies" => None,
        Place::Beside => Some("tests and chores stand beside the floors, nothing rests on them"),
        Place::Nowhere => Some("it stands on no floor"),
        Place::Floor(floor) if floor < own => None,
        Place::Floor(floor) if floor > own => Some("it lives on a higher floor"),
        Place::Floor(_) if serves_its_own_floor(used) => None,
        _ if member.place == SERVICES => Some("services are strangers to one another"),
        Place::Floor(_) => Some("it lives on the same floor"),
    }
}

pub(crate) fn async_begins_at_engine(checkout: &Checkout, findings: &mut Findings) {
    const ASYNC: [&str; 6] =
        ["tokio", "tokio-util", "futures", "hyper", "hyper-util", "async-trait"];
    for member in &checkout.members {
        if !matches!(member.place, Place::Floor(floor) if floor < ENGINE) {
            continue;
        }
        for dependency in &member.dependencies {
            if ASYNC.contains(&dependency.name.as_str()) {
                findings.add(
                    &member.manifest_path(),
                    None,
                    format!(
                        "{} uses {}: floors below the engine are synchronous",
                        member.name, dependency.name
                    ),
                );
            }
        }
    }
}

pub(crate) fn no_tokio_in_static_binaries(checkout: &Checkout, findings: &mut Findings) {
    for name in ["gantry-shim", "gantry-runc", "gantry-init"] {
        let Some(member) = checkout.member(name) else { continue };
        let manifest = member.manifest_path();
        match dependency_tree(&checkout.root, name) {
            Ok(packages) => {
                for package in packages {
                    if package == "tokio" || package.starts_with("tokio-") {
                        findings.add(&manifest, None, format!(
                            "{package} is in the dependency tree of {name}: `cargo tree -p {name} -i {package}` shows through whom"
                        ));
                    }
                }
            }
            Err(reason) => findings.add(
                &manifest,
                None,
                format!("the dependency tree of {name} cannot be read: {reason}"),
            ),
        }
    }
}

/// The names of all packages that end up in the binary `name`, with the features that it asks for.
fn dependency_tree(root: &Path, name: &str) -> Result<BTreeSet<String>, String> {
    // `cargo run` names the cargo that runs us.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--edges", "normal,build", "--prefix", "none", "--package", name])
        .current_dir(root)
        .output()
        .map_err(|error| format!("run cargo tree: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}
