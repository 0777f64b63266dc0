//! What instructions mean by their flags and arguments. Variables in them are not expanded yet.

mod flags;
mod from;
mod health;
mod mount;
mod pairs;
mod ports;
mod process;
mod transfer;

use crate::error::nearest;
use crate::source::{Heredoc, Statement};
use crate::{Problem, Span, SyntaxError};
use flags::Flags;

pub use from::StageFrom;
pub use health::{Health, HealthCheck};
pub use mount::{CacheSharing, InvalidMount, Mount, MountKind};
pub use pairs::{Argument, KeyValue};
pub use ports::Expose;
pub use process::{Command, Network, Run};
pub use transfer::Transfer;

const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// An instruction with its place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its lines.
    pub span: Span,
    /// Its first word, in the letters of the source.
    pub keyword: String,
    /// The whole of it in one line: what the history of an image and progress show.
    pub text: String,
    /// The comment lines right above.
    pub comments: Vec<String>,
    /// What it means.
    pub instruction: Instruction,
}

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// `ADD`: from the context, from a URL or from a repository, archives taken apart.
    Add(Transfer),
    /// `ARG`: variables that the one who builds may set.
    Arg(Vec<Argument>),
    /// `CMD`: what runs unless the user says otherwise.
    Cmd(Command),
    /// `COPY`: from the context, a stage or an image.
    Copy(Transfer),
    /// `ENTRYPOINT`: what runs in any case.
    Entrypoint(Command),
    /// `ENV`: variables of the image.
    Env(Vec<KeyValue>),
    /// `EXPOSE`: ports, as written; [`Expose::parse`] reads one when its variables are expanded.
    Expose(Vec<String>),
    /// `FROM`: a stage begins.
    From(StageFrom),
    /// `HEALTHCHECK`.
    HealthCheck(HealthCheck),
    /// `LABEL`.
    Label(Vec<KeyValue>),
    /// `MAINTAINER`: an author, from before there were labels.
    Maintainer(String),
    /// `ONBUILD`: the text of an instruction for images that are made from this one.
    OnBuild(String),
    /// `RUN`.
    Run(Run),
    /// `SHELL`: what runs commands that are no JSON.
    Shell(Vec<String>),
    /// `STOPSIGNAL`.
    StopSignal(String),
    /// `USER`.
    User(String),
    /// `VOLUME`: paths.
    Volume(Vec<String>),
    /// `WORKDIR`.
    Workdir(String),
}

impl Step {
    /// Reads a statement.
    pub fn read(statement: &Statement, escape: char) -> Result<Self, SyntaxError> {
        let instruction = Instruction::read(statement, escape)
            .map_err(|problem| SyntaxError { span: statement.span, problem })?;
        Ok(Self {
            span: statement.span,
            keyword: statement.keyword.clone(),
            text: statement.text.clone(),
            comments: statement.comments.clone(),
            instruction,
        })
    }
}

impl Instruction {
    /// What it names by `from`: stages, images and contexts.
    pub fn sources(&self) -> Vec<String> {
        match self {
            Self::Copy(transfer) => transfer.from.iter().cloned().collect(),
            Self::Run(run) => run.sources(),
            _ => Vec::new(),
        }
    }

    fn read(statement: &Statement, escape: char) -> Result<Self, Problem> {
        let keyword = statement.keyword.to_ascii_uppercase();
        match keyword.as_str() {
            "ADD" => Transfer::add(statement, escape).map(Self::Add),
            "COPY" => Transfer::copy(statement, escape).map(Self::Copy),
            "FROM" => StageFrom::read(statement).map(Self::From),
            "HEALTHCHECK" => HealthCheck::read(statement).map(Self::HealthCheck),
            "RUN" => Run::read(statement).map(Self::Run),
            _ => Self::read_plain(&keyword, statement, escape),
        }
    }

    /// The instructions that have no flags.
    fn read_plain(keyword: &str, statement: &Statement, escape: char) -> Result<Self, Problem> {
        let unknown = || Problem::UnknownInstruction {
            word: statement.keyword.clone(),
            near: nearest(keyword, KEYWORDS),
        };
        let name = *KEYWORDS.iter().find(|known| **known == keyword).ok_or_else(unknown)?;
        Flags::none(statement)?;
        let arguments = statement.arguments.as_str();
        match name {
            "ARG" => pairs::arguments(arguments, escape).map(Self::Arg),
            "CMD" => Command::parse(arguments).map(Self::Cmd),
            "ENTRYPOINT" => Command::parse(arguments).map(Self::Entrypoint),
            "ENV" => pairs::key_values("ENV", arguments, escape).map(Self::Env),
            "LABEL" => pairs::key_values("LABEL", arguments, escape).map(Self::Label),
            "EXPOSE" => at_least_one("EXPOSE", split(arguments)).map(Self::Expose),
            "VOLUME" => volumes(arguments).map(Self::Volume),
            "SHELL" => shell(arguments).map(Self::Shell),
            "ONBUILD" => trigger(statement, escape).map(Self::OnBuild),
            "MAINTAINER" => one("MAINTAINER", arguments).map(Self::Maintainer),
            "STOPSIGNAL" => one("STOPSIGNAL", arguments).map(Self::StopSignal),
            "USER" => one("USER", arguments).map(Self::User),
            "WORKDIR" => one("WORKDIR", arguments).map(Self::Workdir),
            _ => Err(unknown()),
        }
    }
}

fn one(name: &'static str, arguments: &str) -> Result<String, Problem> {
    if arguments.is_empty() {
        return Err(Problem::ExactlyOneArgument(name));
    }
    Ok(arguments.to_owned())
}

fn at_least_one(name: &'static str, words: Vec<String>) -> Result<Vec<String>, Problem> {
    if words.is_empty() { Err(Problem::AtLeastOneArgument(name)) } else { Ok(words) }
}

/// Words between blanks; quotes mean nothing.
fn split(arguments: &str) -> Vec<String> {
    arguments.split_whitespace().map(str::to_owned).collect()
}

/// A JSON array of strings; `None` when the text is none, and then it is words.
fn json(arguments: &str) -> Result<Option<Vec<String>>, Problem> {
    let text = arguments.trim_start();
    if !text.starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(text) else { return Ok(None) };
    let strings = values.into_iter().map(|value| match value {
        serde_json::Value::String(text) => Ok(text),
        _ => Err(Problem::NotStrings),
    });
    strings.collect::<Result<_, _>>().map(Some)
}

fn volumes(arguments: &str) -> Result<Vec<String>, Problem> {
    let paths = json(arguments)?.unwrap_or_else(|| split(arguments));
    if paths.iter().any(|path| path.trim().is_empty()) {
        return Err(Problem::BlankVolume);
    }
    at_least_one("VOLUME", paths)
}

fn shell(arguments: &str) -> Result<Vec<String>, Problem> {
    match json(arguments)? {
        Some(words) => at_least_one("SHELL", words),
        None if arguments.is_empty() => Err(Problem::AtLeastOneArgument("SHELL")),
        None => Err(Problem::ShellNotJson),
    }
}

/// The text of a trigger, its heredocs included, so that it can be read again when it fires.
fn trigger(statement: &Statement, escape: char) -> Result<String, Problem> {
    let text = &statement.arguments;
    let word = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match word.as_str() {
        "" => return Err(Problem::AtLeastOneArgument("ONBUILD")),
        "ONBUILD" => return Err(Problem::ChainedTrigger),
        "FROM" | "MAINTAINER" => return Err(Problem::Trigger(word)),
        _ => {}
    }
    let mut trigger = text.clone();
    for Heredoc { opening, content } in &statement.heredocs {
        trigger.push('\n');
        trigger.push_str(content);
        trigger.push_str(&opening.name);
    }
    let inner = crate::Source::parse_trigger(&trigger, escape).map_err(|error| error.problem)?;
    Instruction::read(&inner, escape)?;
    Ok(trigger)
}
