//! `build --check`: what is likely to be wrong with a Dockerfile.

use gantry_dockerfile::lint::{self, Surroundings, Warning};
use gantry_dockerfile::{Dockerfile, Frontend, Source, SyntaxError, VERSION, excerpt};

use super::context::Context;
use crate::error::Error;
use crate::output;

/// A Dockerfile that cannot be read: the place is shown, and what is wrong there is the error.
pub(super) fn refusal(context: &Context, error: &SyntaxError) -> Error {
    let text = context.dockerfile().unwrap_or_default();
    output::remark(error.excerpt(context.dockerfile_name(), text).trim_end());
    Error::refused(error.to_string())
}

/// Prints the warnings; the exit code is 1 when there are any.
pub(super) fn check(context: &Context) -> Result<u8, Error> {
    let text = context.dockerfile().ok_or_else(|| {
        Error::refused(
            "--check needs the Dockerfile here: name a folder, or give it on standard input",
        )
    })?;
    let refused = |error: SyntaxError| refusal(context, &error);
    let source = Source::parse(text).map_err(refused)?;
    let warnings = warnings(context, &source).map_err(refused)?;
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
    let text = context.dockerfile().unwrap_or_default();
    format!(
        "WARNING: {} - {}\n{}\n\n{}\n",
        warning.rule.name(),
        warning.rule.url(),
        warning.message,
        excerpt(context.dockerfile_name(), text, warning.span, None)
    )
}

/// What is said of a Dockerfile that is built: a few words for each warning.
pub(super) fn remarks(context: &Context) -> Vec<String> {
    let Some(Ok(source)) = context.dockerfile().map(Source::parse) else { return Vec::new() };
    let mut remarks = Vec::new();
    if let Some(Frontend::Newer { major, minor }) =
        source.directives.syntax.as_deref().map(Frontend::parse)
    {
        let (own_major, own_minor) = VERSION;
        remarks.push(format!(
            "the Dockerfile asks for docker/dockerfile {major}.{minor}, and {own_major}.{own_minor} is built in: what only the later one has is refused"
        ));
    }
    let warnings = warnings(context, &source).unwrap_or_default();
    let noun = if warnings.len() == 1 {
        "1 warning".to_owned()
    } else {
        format!("{} warnings", warnings.len())
    };
    if !warnings.is_empty() {
        remarks.push(format!(" {noun} found (--check shows more):"));
    }
    let line = |warning: &Warning| {
        format!(" - {}: {} (line {})", warning.rule.name(), warning.message, warning.span.first)
    };
    remarks.extend(warnings.iter().map(line));
    remarks
}

fn warnings(context: &Context, source: &Source) -> Result<Vec<Warning>, SyntaxError> {
    let dockerfile = Dockerfile::read(source)?;
    let surroundings = Surroundings {
        ignore: context.ignore(),
        // Nobody looks at images for this.
        environment_of: &|_| None,
    };
    Ok(lint::check(source, &dockerfile, &source.directives.check, surroundings))
}
