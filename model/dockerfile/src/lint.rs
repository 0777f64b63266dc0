//! The checks that warn of what works and is likely to be wrong. Names and texts are those of the checks that `docker build
//! --check` knows: <https://docs.docker.com/reference/build-checks/>.

mod rule;
mod stages;
mod steps;
mod variables;
mod words;

use crate::{CheckDirective, Dockerfile, IgnoreFile, Source, Span};

pub use rule::Rule;

/// What the checks need to know beside the Dockerfile.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// What is left out of the context.
    pub ignore: Option<&'a IgnoreFile>,
    /// The names of the variables that an image sets; `None` when that is not known, and then no variable of a stage that begins
    /// with it is called undefined.
    pub environment_of: &'a dyn Fn(&str) -> Option<Vec<String>>,
}

/// Something that is likely to be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The rule that it breaks.
    pub rule: Rule,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where.
    pub span: Span,
}

/// All warnings, in the order of the lines.
pub fn check(
    source: &Source,
    dockerfile: &Dockerfile,
    directive: &CheckDirective,
    surroundings: Surroundings<'_>,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for span in &source.empty_continuations {
        let message = "Empty continuation line".to_owned();
        warnings.push(Warning { rule: Rule::NoEmptyContinuation, message, span: *span });
    }
    words::check(source, &mut warnings);
    stages::check(dockerfile, &mut warnings);
    steps::check(dockerfile, surroundings.ignore, &mut warnings);
    variables::check(dockerfile, surroundings, &mut warnings);
    warnings.retain(|warning| is_wanted(warning.rule, directive));
    warnings.sort_by_key(|warning| (warning.span, warning.rule));
    warnings
}

fn is_wanted(rule: Rule, directive: &CheckDirective) -> bool {
    let names = |list: &[String]| {
        list.iter().any(|name| name == "all" || name.eq_ignore_ascii_case(rule.name()))
    };
    !names(&directive.skip) && (!rule.is_experimental() || names(&directive.experimental))
}
