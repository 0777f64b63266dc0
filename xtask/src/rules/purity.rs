//! Rules about what code may contain: where `unsafe` stands, what the model may touch, tests switched off.

use std::path::Path;

use proc_macro2::{Group, TokenTree};

use crate::Findings;
use crate::checkout::Checkout;
use crate::source::is_punct;

pub(crate) fn unsafe_in_sys(checkout: &Checkout, findings: &mut Findings) {
    for source in &checkout.sources {
        if source.path.starts_with("foundation/sys") {
            continue;
        }
        for ident in source.identifiers().iter().filter(|ident| *ident == "unsafe") {
            findings.add(
                &source.path,
                ident.span().start().line,
                "`unsafe` belongs in foundation/sys: put a safe function there and call it",
            );
        }
    }
}

/// Modules of `std` that do I/O or ask the system, and the clocks.
const WORLDLY: [&str; 6] = ["env", "fs", "net", "os", "process", "thread"];
const CLOCKS: [&str; 2] = ["Instant", "SystemTime"];

pub(crate) fn model_is_pure(checkout: &Checkout, findings: &mut Findings) {
    for member in &checkout.members {
        if !member.folder.starts_with("model") {
            continue;
        }
        for dependency in &member.dependencies {
            if ["libc", "rustix", "gantry-sys", "tokio"].contains(&dependency.name.as_str()) {
                findings.add(
                    &member.manifest_path(),
                    None,
                    format!("{} uses {}: floor 0 holds pure values", member.name, dependency.name),
                );
            }
        }
    }
    for source in &checkout.sources {
        if !source.path.starts_with("model") || is_test_file(&source.path) {
            continue;
        }
        source.each_run(&mut |run| {
            for (index, token) in run.iter().enumerate() {
                let rest = run.get(index + 1..).unwrap_or_default();
                if let Some(what) = worldly(token, rest) {
                    findings.add(
                        &source.path,
                        token.span().start().line,
                        format!("`{what}` in the model: floor 0 touches no system and no clock"),
                    );
                }
            }
        });
    }
}

fn worldly(token: &TokenTree, rest: &[TokenTree]) -> Option<String> {
    let TokenTree::Ident(ident) = token else { return None };
    let name = ident.to_string();
    if CLOCKS.contains(&name.as_str()) {
        return Some(name);
    }
    let [first, second, next, ..] = rest else { return None };
    if name != "std" || !is_punct(first, ':') || !is_punct(second, ':') {
        return None;
    }
    let module = match next {
        TokenTree::Ident(module) => Some(module.to_string()),
        TokenTree::Group(group) => group.stream().into_iter().find_map(|inner| match inner {
            TokenTree::Ident(module) if WORLDLY.contains(&module.to_string().as_str()) => {
                Some(module.to_string())
            }
            _ => None,
        }),
        _ => None,
    }?;
    // Paths and strings as bytes: std::os::unix::ffi asks the system nothing.
    let bytes_only = |token: &TokenTree| matches!(token, TokenTree::Ident(part) if part == "ffi");
    if module == "os" && rest.iter().take(9).any(bytes_only) {
        return None;
    }
    WORLDLY.contains(&module.as_str()).then(|| format!("std::{module}"))
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs")
}

pub(crate) fn no_ignored_tests(checkout: &Checkout, findings: &mut Findings) {
    for source in &checkout.sources {
        for attribute in source.attributes() {
            if ignores(&attribute) {
                findings.add(
                    &source.path,
                    attribute.span().start().line,
                    "a test is switched off with `ignore`: mend it or delete it",
                );
            }
        }
        for (index, line) in source.text.lines().enumerate() {
            let line = line.trim_start();
            let documentation = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
            let fence = documentation.and_then(|text| text.trim_start().strip_prefix("```"));
            if fence.is_some_and(|labels| labels.split(',').any(|label| label.trim() == "ignore")) {
                findings.add(
                    &source.path,
                    index + 1,
                    "a documented example is switched off with `ignore`",
                );
            }
        }
    }
}

/// `#[ignore]`, `#[ignore = "…"]`, or either inside `cfg_attr`.
fn ignores(attribute: &Group) -> bool {
    let mut tokens = attribute.stream().into_iter();
    match tokens.next() {
        Some(TokenTree::Ident(name)) if name == "ignore" => true,
        Some(TokenTree::Ident(name)) if name == "cfg_attr" => match tokens.next() {
            Some(TokenTree::Group(group)) => group
                .stream()
                .into_iter()
                .any(|token| matches!(token, TokenTree::Ident(ident) if ident == "ignore")),
            _ => false,
        },
        _ => false,
    }
}
