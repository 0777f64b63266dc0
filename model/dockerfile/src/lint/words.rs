//! How keywords are written.

use super::{Rule, Warning};
use crate::Source;

pub(super) fn check(source: &Source, warnings: &mut Vec<Warning>) {
    let keywords = || source.statements.iter().map(|statement| statement.keyword.as_str());
    let lower = keywords().filter(|word| is_lower(word)).count();
    let upper = keywords().filter(|word| is_upper(word)).count();
    let (majority, fits): (_, fn(&str) -> bool) =
        if lower > upper { ("lowercase", is_lower) } else { ("uppercase", is_upper) };
    for statement in source.statements.iter().filter(|statement| !fits(&statement.keyword)) {
        let message = format!(
            "Command '{}' should match the case of the command majority ({majority})",
            statement.keyword
        );
        let rule = Rule::ConsistentInstructionCasing;
        warnings.push(Warning { rule, message, span: statement.span });
    }
}

fn is_lower(word: &str) -> bool {
    word.chars().all(char::is_lowercase)
}

fn is_upper(word: &str) -> bool {
    word.chars().all(char::is_uppercase)
}
