//! `build --on-failure=shell`: a shell where a command has failed, with its files, its variables, its user and its directory. What
//! was mounted for it is not there.

use std::str::FromStr;

use clap::{Args, Command, FromArgMatches};
use gantry_client::{Client, ImageRemoveQuery};

use crate::cli::Verb;
use crate::commands::container::run::Run;
use crate::error::Error;
use crate::session::Session;
use crate::{output, terminal};

/// `--on-failure`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// Say what failed.
    #[default]
    Nothing,
    /// And open a shell.
    Shell,
}

impl FromStr for OnFailure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" | "none" => Ok(Self::Nothing),
            "shell" => Ok(Self::Shell),
            _ => Err(format!("{text:?} is not one of none, shell")),
        }
    }
}

/// Fails where no shell could be opened.
pub(super) fn check(is_quiet: bool) -> Result<(), Error> {
    if is_quiet {
        return Err(Error::refused("--on-failure=shell shows what failed, and --quiet does not"));
    }
    if !terminal::stdin_is_terminal() || !terminal::stdout_is_terminal() {
        return Err(Error::refused(
            "--on-failure=shell needs a terminal at standard input and output",
        ));
    }
    Ok(())
}

/// Opens a shell in the image of a command that failed, and removes the image when it has ended.
pub(super) async fn open(
    client: &Client,
    session: &Session,
    (image, network): (&str, &str),
) -> Result<(), Error> {
    output::remark(
        "\nA shell in the step that failed; its mounts are not there. It ends with exit.",
    );
    let words = ["--rm", "--interactive", "--tty", "--network", network, image];
    let command =
        Run::augment_args(Command::new("run").no_binary_name(true).disable_help_flag(true));
    let matches = command.try_get_matches_from(words);
    let run = matches.and_then(|matches| Run::from_arg_matches(&matches));
    let run = run.map_err(|error| Error::refused(error.to_string()))?;
    // What the shell ends with says nothing of the build.
    let ran = run.execute(session).await.map(drop);
    let removal = ImageRemoveQuery { force: true, ..ImageRemoveQuery::default() };
    client.image_remove(image, &removal).await?;
    ran
}
