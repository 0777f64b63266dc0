//! Reading a command's arguments the way Docker's users write them, and Docker's words for what is wrong with them.
//!
//! clap does the reading. Three habits are added here: a switch takes `=true` and `=false`, the last of several values
//! wins, and a value may begin with a hyphen.

use std::error::Error as _;
use std::ffi::OsString;
use std::mem::ManuallyDrop;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::Takes;
use crate::error::Error;
use crate::exit;

/// The command that is being read, for messages.
pub(crate) struct Place<'a> {
    /// As the user called it: `gantry container run`.
    pub(crate) path: &'a str,
    pub(crate) usage: &'a str,
    /// `None` for the frame, whose number of words is not its own to judge.
    pub(crate) takes: Option<Takes>,
}

/// Parses `arguments`; `None` when they ask for help.
pub(crate) fn parse(
    command: Command,
    place: &Place<'_>,
    arguments: Vec<OsString>,
) -> Result<Option<ArgMatches>, Error> {
    // Taking a hundred flags apart takes longer than most commands do, and the program ends soon.
    let mut command = ManuallyDrop::new(prepared(command));
    match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => Ok(Some(matches)),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(None),
        Err(error) => Err(translate(&error, &command, place)),
    }
}

fn prepared(command: Command) -> Command {
    let taken = command.get_arguments().any(|arg| arg.get_short() == Some('h'));
    let help = Arg::new("help").long("help").action(ArgAction::Help);
    command
        .no_binary_name(true)
        .disable_help_flag(true)
        .args_override_self(true)
        .arg(if taken { help } else { help.short('h') })
        .mut_args(lenient)
}

/// A switch becomes a flag with an optional value; any other flag takes whatever follows.
fn lenient(arg: Arg) -> Arg {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        arg.action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_value("false")
            .default_missing_value("true")
            .value_parser(boolean)
    } else if arg.is_positional() || arg.is_require_equals_set() || !arg.get_action().takes_values()
    {
        arg
    } else {
        arg.allow_hyphen_values(true)
    }
}

/// Go's spellings of the two.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it takes true or false".to_owned()),
    }
}

fn translate(error: &clap::Error, command: &Command, place: &Place<'_>) -> Error {
    let path = place.path;
    let flag = context(error, ContextKind::InvalidArg);
    let value = context(error, ContextKind::InvalidValue);
    // clap writes a flag as `--name <NAME>`.
    let flag = flag.split([' ', '=', '[']).next().unwrap_or_default();
    let (sentence, code) = match error.kind() {
        ErrorKind::UnknownArgument if flag.starts_with("--") => {
            (format!("unknown flag: {flag}"), exit::BAD_FLAG)
        }
        ErrorKind::UnknownArgument if flag.len() > 1 && flag.starts_with('-') => {
            (format!("unknown shorthand flag: '{}' in {flag}", &flag[1..]), exit::BAD_FLAG)
        }
        ErrorKind::InvalidValue if flag.starts_with('-') && value.is_empty() => {
            (format!("flag needs an argument: {flag}"), exit::BAD_FLAG)
        }
        ErrorKind::ValueValidation | ErrorKind::InvalidValue if flag.starts_with('-') => {
            let reason = error.source().map(ToString::to_string).unwrap_or_default();
            let name = full_name(flag, command);
            let text = format!("invalid argument \"{value}\" for \"{name}\" flag: {reason}");
            (text, exit::BAD_FLAG)
        }
        ErrorKind::InvalidUtf8 => ("an argument is not valid UTF-8".to_owned(), exit::BAD_FLAG),
        _ => (format!("gantry: '{path}' {}", wrong_number(place.takes)), exit::FAILURE),
    };
    let usage = place.usage;
    let text =
        format!("{sentence}\n\nUsage:  {path} {usage}\n\nRun '{path} --help' for more information");
    Error::Usage { text, code }
}

fn context(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

/// `-m, --memory` for `--memory`.
fn full_name(flag: &str, command: &Command) -> String {
    let long = flag.trim_start_matches('-');
    let short =
        command.get_arguments().find(|arg| arg.get_long() == Some(long)).and_then(Arg::get_short);
    short.map_or_else(|| flag.to_owned(), |short| format!("-{short}, {flag}"))
}

fn wrong_number(takes: Option<Takes>) -> String {
    let words =
        |count: usize| if count == 1 { "1 argument".into() } else { format!("{count} arguments") };
    match takes {
        None | Some(Takes::Nothing) => "accepts no arguments".to_owned(),
        Some(Takes::Exactly(count)) => format!("requires {}", words(count)),
        Some(Takes::AtLeast(count)) => format!("requires at least {}", words(count)),
        Some(Takes::Between(least, most)) => {
            format!("requires at least {least} and at most {}", words(most))
        }
        Some(Takes::AtMost(count)) => format!("requires at most {}", words(count)),
    }
}
