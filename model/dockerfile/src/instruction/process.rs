//! Commands, and `RUN` with what surrounds it.

use super::flags::{Flags, Takes};
use super::json;
use super::mount::{self, Mount};
use crate::Problem;
use crate::source::{Heredoc, Statement};

/// What is to be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A program and its arguments, from a JSON array.
    Exec(Vec<String>),
    /// A line for the shell; empty when there was nothing.
    Shell(String),
}

impl Command {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        Ok(json(text)?.map_or_else(|| Self::Shell(text.to_owned()), Self::Exec))
    }

    /// Whether there is nothing to execute.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Exec(words) => words.is_empty(),
            Self::Shell(line) => line.is_empty(),
        }
    }
}

/// The network of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// What the build has.
    #[default]
    Default,
    /// None.
    None,
    /// The host's, where the one who builds allows it.
    Host,
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What is executed.
    pub command: Command,
    /// Files for the shell.
    pub heredocs: Vec<Heredoc>,
    /// What is mounted, as written; [`Mount::parse`] reads one when its variables are expanded.
    pub mounts: Vec<String>,
    /// Its network.
    pub network: Network,
    /// Without the sandbox's restrictions, where the one who builds allows it.
    pub is_insecure: bool,
    /// Devices by their CDI names.
    pub devices: Vec<String>,
}

impl Run {
    pub(super) fn read(statement: &Statement) -> Result<Self, Problem> {
        let flags = Flags::read(
            statement,
            &[
                ("mount", Takes::Texts),
                ("network", Takes::Text),
                ("security", Takes::Text),
                ("device", Takes::Texts),
            ],
        )?;
        let command = Command::parse(&statement.arguments)?;
        if command.is_empty() {
            return Err(Problem::AtLeastOneArgument("RUN"));
        }
        let invalid = |flag, value: String, known: &str| Problem::InvalidFlagValue {
            flag,
            value,
            reason: format!("{known} are known"),
        };
        let network = match flags.text("network") {
            None => Network::Default,
            Some(word) => match word.as_str() {
                "default" => Network::Default,
                "none" => Network::None,
                "host" => Network::Host,
                _ => return Err(invalid("network", word, "default, none and host")),
            },
        };
        let is_insecure = match flags.text("security") {
            None => false,
            Some(word) => match word.as_str() {
                "sandbox" => false,
                "insecure" => true,
                _ => return Err(invalid("security", word, "sandbox and insecure")),
            },
        };
        let mounts = flags.texts("mount");
        for text in &mounts {
            mount::check(text)?;
        }
        Ok(Self {
            command,
            heredocs: statement.heredocs.clone(),
            mounts,
            network,
            is_insecure,
            devices: flags.texts("device"),
        })
    }

    /// What mounts name by `from`, which has no variables: known before any variable has a value.
    pub(super) fn sources(&self) -> Vec<String> {
        self.mounts.iter().filter_map(|text| mount::source_of(text)).collect()
    }

    /// The mounts, their variables expanded.
    pub fn mounts<E: From<Problem>>(
        &self,
        expand: impl Fn(&str) -> Result<String, E>,
    ) -> Result<Vec<Mount>, E> {
        let read = |text: &String| Mount::parse(text, &expand);
        self.mounts.iter().map(read).collect()
    }
}
