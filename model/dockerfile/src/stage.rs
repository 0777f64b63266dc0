//! Stages: what begins with a `FROM`.

use crate::instruction::{Instruction, StageFrom, Step};
use crate::{Problem, Source, Span, SyntaxError};

/// A whole Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// What continues lines and escapes characters.
    pub escape: char,
    /// `ARG`s above the first `FROM`.
    pub arguments: Vec<Step>,
    /// The stages, in order; at least one.
    pub stages: Vec<Stage>,
}

/// A `FROM` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The lines of its `FROM`.
    pub span: Span,
    /// Its `FROM` in the letters of the source.
    pub keyword: String,
    /// Its `FROM` in one line.
    pub text: String,
    /// The comment lines right above.
    pub comments: Vec<String>,
    /// What it begins from.
    pub from: StageFrom,
    /// What is done.
    pub steps: Vec<Step>,
}

impl Dockerfile {
    /// Reads the statements of a source.
    pub fn read(source: &Source) -> Result<Self, SyntaxError> {
        let escape = source.directives.escape;
        let (mut arguments, mut stages) = (Vec::new(), Vec::<Stage>::new());
        for statement in &source.statements {
            let step = Step::read(statement, escape)?;
            match (step, stages.last_mut()) {
                (
                    Step { instruction: Instruction::From(from), span, keyword, text, comments },
                    _,
                ) => {
                    stages.push(Stage { span, keyword, text, comments, from, steps: Vec::new() });
                }
                (step, Some(stage)) => stage.steps.push(step),
                (step @ Step { instruction: Instruction::Arg(_), .. }, None) => {
                    arguments.push(step);
                }
                (step, None) => {
                    return Err(SyntaxError { span: step.span, problem: Problem::NoStage });
                }
            }
        }
        if stages.is_empty() {
            return Err(SyntaxError { span: Span::line(1), problem: Problem::NoStage });
        }
        Ok(Self { escape, arguments, stages })
    }

    /// The stage that a word in stage number `before` means: by name, the last one of it, or by number.
    pub fn stage_before(&self, before: usize, word: &str) -> Option<usize> {
        let name = word.to_lowercase();
        let named = |stage: &Stage| stage.from.name.as_deref() == Some(name.as_str());
        let earlier = &self.stages[..before.min(self.stages.len())];
        let number = || word.parse().ok().filter(|number| *number < earlier.len());
        earlier.iter().rposition(named).or_else(number)
    }
}
