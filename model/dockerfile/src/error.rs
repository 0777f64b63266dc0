//! Why a text is no Dockerfile. The texts are those that Docker's users know.

use gantry_types::ErrorKind;

use crate::{InvalidSubstitution, Span};

/// A Dockerfile that cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dockerfile parse error on line {}: {problem}", span.first)]
pub struct SyntaxError {
    /// The statement's lines.
    pub span: Span,
    /// What is wrong there.
    pub problem: Problem,
}

impl SyntaxError {
    /// What the user wrote is wrong.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// What is wrong with a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nothing but comments, or nothing at all.
    #[error("file with no instructions")]
    Empty,
    /// More bytes than a Dockerfile may have.
    #[error("the Dockerfile has {size} bytes, and {limit} is the most")]
    TooLarge {
        /// How many it has.
        size: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A directive given twice.
    #[error("only one {0} parser directive can be used")]
    RepeatedDirective(String),
    /// An escape that is neither of the two.
    #[error("invalid escape token '{0}' does not match ` or \\")]
    InvalidEscape(String),
    /// A `check` directive that says something unknown.
    #[error(
        "invalid check option {0:?}: skip=RULE,…, error=BOOL and experimental=RULE,… are known"
    )]
    InvalidCheck(String),
    /// A heredoc whose end never comes.
    #[error("unterminated heredoc {0:?}")]
    UnterminatedHeredoc(String),
    /// The first word is no instruction.
    #[error("unknown instruction: {word}{}", suggestion(.near.as_deref()))]
    UnknownInstruction {
        /// The word.
        word: String,
        /// The instruction that may be meant.
        near: Option<&'static str>,
    },
    /// A flag that the instruction does not have.
    #[error("unknown flag: --{flag}{}", suggestion(.near.as_deref()))]
    UnknownFlag {
        /// Its name.
        flag: String,
        /// The flag that may be meant.
        near: Option<&'static str>,
    },
    /// A flag that may stand only once.
    #[error("duplicate flag specified: --{0}")]
    RepeatedFlag(String),
    /// A flag without `=VALUE`.
    #[error("missing a value on flag: --{0}")]
    MissingFlagValue(String),
    /// A switch that is neither true nor false.
    #[error("expecting boolean value for flag --{flag}, not: {value}")]
    InvalidSwitch {
        /// Its name.
        flag: String,
        /// What was given.
        value: String,
    },
    /// A flag whose value is not of its form.
    #[error("invalid value {value:?} for flag --{flag}: {reason}")]
    InvalidFlagValue {
        /// Its name.
        flag: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No argument where there must be one.
    #[error("{0} requires at least one argument")]
    AtLeastOneArgument(&'static str),
    /// None or several where there must be one.
    #[error("{0} requires exactly one argument")]
    ExactlyOneArgument(&'static str),
    /// A copy without a destination.
    #[error(
        "{0} requires at least two arguments, but only one was provided. Destination could not be determined"
    )]
    NoDestination(&'static str),
    /// `FROM image as`, `FROM a b`.
    #[error("FROM requires either one or three arguments")]
    FromArguments,
    /// A stage's name that could be a number or a path.
    #[error(
        "invalid name for build stage: {0:?}, name can't start with a number or contain symbols"
    )]
    StageName(String),
    /// An instruction before the first `FROM`.
    #[error("no build stage in current context")]
    NoStage,
    /// An `ONBUILD` of an `ONBUILD`.
    #[error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    ChainedTrigger,
    /// `ONBUILD FROM`.
    #[error("{0} isn't allowed as an ONBUILD trigger")]
    Trigger(String),
    /// `ENV NAME` without a value.
    #[error("{0} must have two arguments")]
    TwoArguments(&'static str),
    /// One of several pairs has no `=`.
    #[error("Syntax error - can't find = in {0:?}. Must be of the form: name=value")]
    NoEquals(String),
    /// A pair without a name.
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    /// A volume without a path.
    #[error("VOLUME specified can not be an empty string")]
    BlankVolume,
    /// A JSON array with anything but strings.
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    NotStrings,
    /// `SHELL` in words.
    #[error("SHELL requires the arguments to be in JSON form")]
    ShellNotJson,
    /// `HEALTHCHECK NONE something`.
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthNone,
    /// `HEALTHCHECK CMD` with nothing.
    #[error("Missing command after HEALTHCHECK CMD")]
    HealthCommand,
    /// Neither `NONE` nor `CMD`.
    #[error("Unknown type {0:?} in HEALTHCHECK (try CMD)")]
    HealthType(String),
    /// A heredoc where there can be none.
    #[error("{instruction} cannot accept a heredoc as {place}")]
    BadHeredoc {
        /// Of what.
        instruction: &'static str,
        /// Where it stands.
        place: &'static str,
    },
    /// A `--mount` that cannot be.
    #[error("{0}")]
    Mount(#[from] crate::instruction::InvalidMount),
    /// Which stages are built is decided before any variable of a stage has a value.
    #[error(
        "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround"
    )]
    VariableInFrom,
    /// A variable in a form that is none.
    #[error("{0}")]
    Substitution(#[from] InvalidSubstitution),
}

impl Problem {
    /// The word in the source that is wrong, where it is one.
    pub(crate) fn word(&self) -> Option<String> {
        use crate::instruction::InvalidMount::{Key, Kind, Misplaced, NoValue, Sharing};
        let word = match self {
            Self::UnknownFlag { flag, .. } => return Some(format!("--{flag}")),
            Self::RepeatedFlag(flag) | Self::MissingFlagValue(flag) => {
                return Some(format!("--{flag}"));
            }
            Self::InvalidSwitch { value, .. }
            | Self::InvalidFlagValue { value, .. }
            | Self::InvalidEscape(value)
            | Self::InvalidCheck(value)
            | Self::UnknownInstruction { word: value, .. }
            | Self::StageName(value)
            | Self::NoEquals(value)
            | Self::Trigger(value)
            | Self::Mount(
                Key { key: value, .. }
                | Misplaced { key: value, .. }
                | Kind(value)
                | Sharing(value)
                | NoValue(value),
            ) => value,
            _ => return None,
        };
        (!word.is_empty()).then(|| word.clone())
    }
}

fn suggestion(near: Option<&str>) -> String {
    near.map_or_else(String::new, |word| format!(" (did you mean {word}?)"))
}

/// How many letters may be wrong in a word for which another is suggested.
const NEAR: usize = 2;

/// The candidate that a word may be meant for, whatever its case.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let word = word.to_lowercase();
    let far = |candidate: &str| distance(&word, &candidate.to_lowercase());
    let scored = candidates.into_iter().map(|candidate| (far(candidate), candidate));
    let (far, candidate) = scored.min_by_key(|(far, _)| *far)?;
    (far > 0 && far <= NEAR && far < word.len()).then_some(candidate)
}

/// How many letters have to be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        let known = ["FROM", "RUN", "COPY"];
        assert_eq!(nearest("FORM", known), Some("FROM"));
        assert_eq!(nearest("FRM", known), Some("FROM"));
        assert_eq!(nearest("COPYY", known), Some("COPY"));
        assert_eq!(nearest("RUN", known), None);
        assert_eq!(nearest("WORKDIRS", known), None);
    }
}
