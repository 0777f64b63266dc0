//! From text to statements: parser directives, comments, continued lines, flags and heredocs. What an instruction means by its
//! arguments is not known here.

mod directives;
mod flags;
mod heredoc;
mod lines;

pub use directives::{CheckDirective, Directives};
pub use flags::Flag;
pub use heredoc::Heredoc;
pub(crate) use heredoc::Opening;

use crate::{Problem, Span, SyntaxError};

/// The most bytes that a Dockerfile may have.
const MAX_BYTES: usize = 4 << 20;

/// A Dockerfile's text, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the first comments say to the parser.
    pub directives: Directives,
    /// One for each instruction, in order; at least one.
    pub statements: Vec<Statement>,
    /// Statements with empty lines inside, which users take for their ends.
    pub empty_continuations: Vec<Span>,
}

/// One instruction as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its lines, heredocs included.
    pub span: Span,
    /// The first word, in the letters of the source.
    pub keyword: String,
    /// The whole statement in one line, without heredocs' contents.
    pub text: String,
    /// What stands between the first word and the first argument.
    pub flags: Vec<Flag>,
    /// The rest.
    pub arguments: String,
    /// The files that follow.
    pub heredocs: Vec<Heredoc>,
    /// The comment lines right above, without `#`.
    pub comments: Vec<String>,
}

impl Source {
    /// Reads a whole Dockerfile.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        if text.len() > MAX_BYTES {
            let problem = Problem::TooLarge { size: text.len(), limit: MAX_BYTES };
            return Err(SyntaxError { span: Span::line(1), problem });
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let directives = Directives::read(text)?;
        let (statements, empty_continuations) = lines::statements(text, directives.escape)?;
        if statements.is_empty() {
            return Err(SyntaxError { span: Span::line(1), problem: Problem::Empty });
        }
        Ok(Self { directives, statements, empty_continuations })
    }

    /// Reads one instruction that stands for itself: an `ONBUILD` trigger of an image.
    pub fn parse_trigger(text: &str, escape: char) -> Result<Statement, SyntaxError> {
        let (mut statements, _) = lines::statements(text, escape)?;
        if statements.len() == 1 {
            return Ok(statements.remove(0));
        }
        Err(SyntaxError { span: Span::line(1), problem: Problem::Empty })
    }
}
