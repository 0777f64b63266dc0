//! What is said of stages: their names, and what they begin from.

use super::{Rule, Warning};
use crate::{Dockerfile, Stage};

/// Names that mean something else than a stage.
const RESERVED: [&str; 2] = ["context", "scratch"];

pub(super) fn check(dockerfile: &Dockerfile, warnings: &mut Vec<Warning>) {
    for (number, stage) in dockerfile.stages.iter().enumerate() {
        let mut warn = |rule, message| warnings.push(Warning { rule, message, span: stage.span });
        if let (Some((word, written)), Some(name)) = (&stage.from.written, &stage.from.name) {
            if written != name {
                let message = format!("Stage name '{written}' should be lowercase");
                warn(Rule::StageNameCasing, message);
            }
            if is_upper(word) != is_upper(&stage.keyword) {
                let message =
                    format!("'{word}' and '{}' keywords' casing do not match", stage.keyword);
                warn(Rule::FromAsCasing, message);
            }
            let is_again = |earlier: &Stage| earlier.from.name.as_ref() == Some(name);
            if dockerfile.stages[..number].iter().any(is_again) {
                let message =
                    format!("Duplicate stage name {name:?}, stage names should be unique");
                warn(Rule::DuplicateStageName, message);
            }
            if RESERVED.contains(&name.as_str()) {
                let message =
                    format!("Stage name should not use the same name as reserved stage {name:?}");
                warn(Rule::ReservedStageName, message);
            }
        }
        if let Some((rule, message)) = platform(stage) {
            warn(rule, message);
        }
        if let Some(message) = description(&stage.comments, stage.from.name.as_deref()) {
            warn(Rule::InvalidDefinitionDescription, message);
        }
    }
}

/// A word of small letters and capitals is taken for what it mostly looks like: a capital first is a capital word.
fn is_upper(word: &str) -> bool {
    word.chars().next().is_some_and(char::is_uppercase)
}

fn platform(stage: &Stage) -> Option<(Rule, String)> {
    let platform = stage.from.platform.as_deref()?;
    if matches!(platform, "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
        let message = format!(
            "Setting platform to predefined {platform} in FROM is redundant as this is the default behavior"
        );
        return Some((Rule::RedundantTargetPlatform, message));
    }
    // A stage that says in its name for which machine it is means it.
    let name = stage.from.name.as_deref().unwrap_or_default();
    let is_named = platform.split('/').any(|part| !part.is_empty() && name.contains(part));
    if platform.contains('$') || is_named {
        return None;
    }
    let message = format!("FROM --platform flag should not use constant value {platform:?}");
    Some((Rule::FromPlatformFlagConstDisallowed, message))
}

/// A comment right above a definition should begin with its name.
pub(super) fn description(comments: &[String], name: Option<&str>) -> Option<String> {
    let (comment, name) = (comments.last()?, name?);
    let is_other = comment.split_whitespace().next().is_none_or(|word| word != name);
    let is_directive = comment.contains('=') && !comment.contains(' ');
    (is_other && !is_directive).then(|| {
        format!(
            "Comment for build stage or argument should follow the format: `# {name} <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment."
        )
    })
}
