//! What a Dockerfile says to its reader: the language that it asks for, and the checks that must not warn.

use gantry_dockerfile::lint::{self, Surroundings};
use gantry_dockerfile::{CheckDirective, Dockerfile, Frontend, IgnoreFile, Source};

use super::BuildRequest;
use crate::Result;
use crate::error::Error;

/// Arguments that speak to the reader as directives do, and come first.
const SYNTAX: &str = "BUILDKIT_SYNTAX";
const CHECK: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// Fails on a language that is not built in, and on warnings where `# check=error=true` says so.
pub(super) fn check(
    source: &Source,
    dockerfile: &Dockerfile,
    (ignore, request): (&IgnoreFile, &BuildRequest),
) -> Result<()> {
    let given = |name: &str| request.arguments.get(name).and_then(Option::as_deref);
    let syntax = given(SYNTAX).or(source.directives.syntax.as_deref());
    if let Some(Frontend::Other(name)) = syntax.map(Frontend::parse) {
        return Err(Error::invalid(format!(
            "the Dockerfile asks for the language of {name:?} (# syntax=), and docker/dockerfile is the only one that is built in: remove the line if the file is written in it"
        )));
    }
    let own;
    let directive = match given(CHECK) {
        Some(text) => {
            own = CheckDirective::parse(text).map_err(|error| Error::invalid(error.to_string()))?;
            &own
        }
        None => &source.directives.check,
    };
    if !directive.error {
        return Ok(());
    }
    let surroundings = Surroundings { ignore: Some(ignore), environment_of: &|_| None };
    let mut rules: Vec<&str> = lint::check(source, dockerfile, directive, surroundings)
        .iter()
        .map(|warning| warning.rule.name())
        .collect();
    rules.dedup();
    if rules.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!("lint violation found for rules: {}", rules.join(", "))))
}
