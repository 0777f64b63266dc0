//! Rules about names: a name that fits everything explains nothing.

use std::path::Path;

use crate::Findings;
use crate::checkout::Checkout;

const BANNED: [&str; 9] =
    ["util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "impl"];

pub(crate) fn names(checkout: &Checkout, findings: &mut Findings) {
    for member in &checkout.members {
        if let Some(part) = banned_part(&member.name) {
            findings.add(
                &member.manifest_path(),
                None,
                format!(
                    "the crate name {} holds `{part}`: name the thing that it does",
                    member.name
                ),
            );
        }
    }
    for source in &checkout.sources {
        if source.path.file_name().is_some_and(|name| name == "mod.rs") {
            findings.add(&source.path, None, "write `foo.rs` beside `foo/`, never `mod.rs`");
        }
        for part in path_parts(&source.path) {
            if let Some(banned) = banned_part(&part) {
                findings.add(
                    &source.path,
                    None,
                    format!("the path holds `{banned}`: name the file after what lives in it"),
                );
            }
        }
        for item in source.named_items() {
            // A function may speak of the system's service manager; a module or a type may not be one.
            let in_function =
                |word: &str| ["impl", "util", "utils", "helper", "helpers"].contains(&word);
            let banned = banned_part(&snake(&item.name));
            if let Some(banned) = banned.filter(|word| item.keyword != "fn" || in_function(word)) {
                findings.add(
                    &source.path,
                    item.line,
                    format!("`{} {}` holds `{banned}`: say what it does", item.keyword, item.name),
                );
            }
        }
    }
}

/// The folders of a path and its file name without the ending.
fn path_parts(path: &Path) -> Vec<String> {
    path.with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect()
}

/// A banned word that is the whole name or its last word.
fn banned_part(name: &str) -> Option<&'static str> {
    let name = name.replace('-', "_");
    let last = name.rsplit('_').next().unwrap_or_default();
    BANNED.into_iter().find(|banned| *banned == name || *banned == last)
}

fn snake(name: &str) -> String {
    let mut words = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            words.push('_');
        }
        words.extend(letter.to_lowercase());
    }
    words
}
