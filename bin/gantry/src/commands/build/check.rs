//! `build --check`: what is likely to be wrong with a Dockerfile.

use gantry_dockerfile::lint::{self, Surroundings, Warning};
use gantry_dockerfile::{Dockerfile, Source};

use super::context::Context;
use crate::error::Error;
use crate::output;

/// Lines that are shown above and below.
const AROUND: usize = 2;

/// Prints the warnings; the exit code is 1 when there are any.
pub(super) fn check(context: &Context, source: &Source) -> Result<u8, Error> {
    let dockerfile = Dockerfile::read(source).map_err(|error| Error::refused(error.to_string()))?;
    let surroundings = Surroundings {
        ignore: Some(context.ignore()),
        // Nobody looks at images for this.
        environment_of: &|_| None,
    };
    let warnings = lint::check(source, &dockerfile, &source.directives.check, surroundings);
    for warning in &warnings {
        output::print(&shown(warning, context))?;
    }
    match warnings.len() {
        0 => output::line("Check complete, no warnings found.").map(|()| 0),
        1 => output::line("Check complete, 1 warning has been found!").map(|()| 1),
        count => {
            output::line(&format!("Check complete, {count} warnings have been found!")).map(|()| 1)
        }
    }
}

fn shown(warning: &Warning, context: &Context) -> String {
    let rule = "-".repeat(20);
    let name = context.dockerfile_name();
    let (first, last) = (warning.span.first, warning.span.last);
    let lines = context.dockerfile().lines().enumerate().map(|(index, line)| (index + 1, line));
    let near = lines.filter(|(number, _)| number + AROUND >= first && *number <= last + AROUND);
    let shown: Vec<String> = near
        .map(|(number, line)| {
            let mark = if (first..=last).contains(&number) { ">>>" } else { "   " };
            format!("{number:4} | {mark} {line}")
        })
        .collect();
    format!(
        "WARNING: {} - {}\n{}\n\n{name}:{first}\n{rule}\n{}\n{rule}\n\n",
        warning.rule.name(),
        warning.rule.url(),
        warning.message,
        shown.join("\n")
    )
}
