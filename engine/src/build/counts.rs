//! How many builds failed since the daemon's start, by the reasons that Docker tells apart.

use std::sync::atomic::{AtomicU64, Ordering};

use gantry_build::Error as BuildError;
use gantry_dockerfile::Problem;

use crate::error::Error;

/// Docker's words, in the order of the counters.
const REASONS: [&str; 7] = [
    "build_canceled",
    "build_target_not_reachable_error",
    "command_not_supported_error",
    "dockerfile_empty_error",
    "dockerfile_syntax_error",
    "error_processing_commands_error",
    "unknown_instruction_error",
];

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct FailureCounts([AtomicU64; REASONS.len()]);

impl FailureCounts {
    /// One more.
    pub(crate) fn count(&self, error: &Error) {
        let reason = reason(error);
        for (counter, word) in self.0.iter().zip(REASONS) {
            counter.fetch_add(u64::from(word == reason), Ordering::Relaxed);
        }
    }

    /// All of them as they are now.
    pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        REASONS.into_iter().zip(counts).collect()
    }
}

fn reason(error: &Error) -> &'static str {
    let Error::Build(error) = error else { return "error_processing_commands_error" };
    let problem = match error {
        BuildError::Cancelled => return "build_canceled",
        BuildError::NoTarget(_) => return "build_target_not_reachable_error",
        BuildError::NotThereYet(_) => return "command_not_supported_error",
        BuildError::Syntax(syntax) => &syntax.problem,
        BuildError::Problem(problem) => problem,
        _ => return "error_processing_commands_error",
    };
    match problem {
        Problem::Empty => "dockerfile_empty_error",
        Problem::UnknownInstruction { .. } => "unknown_instruction_error",
        _ => "dockerfile_syntax_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_their_reason() {
        let counts = FailureCounts::default();
        counts.count(&Error::Build(BuildError::Cancelled));
        counts.count(&Error::Build(BuildError::NoTarget("x".to_owned())));
        counts.count(&Error::Build(BuildError::NoTarget("y".to_owned())));
        counts.count(&Error::Build(BuildError::Problem(Problem::Empty)));
        counts.count(&Error::LogNotReadable);
        let told: Vec<u64> = counts.all().into_iter().map(|(_, count)| count).collect();
        assert_eq!(told, [1, 2, 0, 1, 0, 1, 0]);
    }
}
