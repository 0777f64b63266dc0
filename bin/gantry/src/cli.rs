//! The frame around all commands: global flags, finding the command, running it.

mod help;
mod parse;
mod table;

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::environment::Environment;
use crate::error::Error;
use crate::output;
use crate::session::Session;
use crate::tls::TlsFlags;
use table::{Node, TOP};

pub(crate) use parse::boolean;

/// How many words a command takes, for the message when the number is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Exactly(usize),
    AtLeast(usize),
    AtMost(usize),
    Between(usize, usize),
}

/// One command. Its flags are its fields, and its doc comment is its help.
pub(crate) trait Verb: Args {
    /// What follows the command's name in its usage line.
    const USAGE: &'static str;
    /// How many words it takes.
    const TAKES: Takes;

    /// Does it; the result is the exit code.
    async fn execute(self, session: &Session) -> Result<u8, Error>;
}

/// Gantry, a container platform
#[derive(Debug, Args)]
struct Globals {
    /// Location of client config files [default: DOCKER_CONFIG, or ~/.docker]
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Docker's: the command line says all that it has to say in any case
    #[arg(short = 'D', long, hide = true)]
    debug: bool,
    /// Docker's, as the one before
    #[arg(short = 'l', long, hide = true, value_parser = ["debug", "info", "warn", "error", "fatal"])]
    log_level: Option<String>,
    /// Daemon socket to connect to: unix:///path, tcp://host:port or ssh://user@host
    #[arg(short = 'H', long)]
    host: Option<String>,
    /// Name of the context to use to connect to the daemon
    #[arg(short, long, hide = true)]
    context: Option<String>,
    #[command(flatten)]
    tls: TlsFlags,
    /// Print version information and quit
    #[arg(short, long)]
    version: bool,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, hide = true)]
    command: Vec<String>,
}

/// Runs the command that `arguments` name.
pub(crate) fn run(arguments: Vec<OsString>, mut environment: Environment) -> Result<u8, Error> {
    let frame = Globals::augment_args(Command::new("gantry"));
    let place = parse::Place { path: "gantry", usage: "[OPTIONS] COMMAND [ARG...]", takes: None };
    let Some(matches) = parse::parse(frame, &place, arguments)? else {
        return print_help(&[]);
    };
    let globals = read::<Globals>(&matches)?;
    if globals.version {
        output::line(&crate::commands::system::version::one_line())?;
        return Ok(0);
    }
    if globals.context.is_some_and(|name| name != "default") {
        return Err(Error::refused("contexts are not there yet: name the daemon with -H"));
    }
    if let Some(folder) = globals.config {
        environment.use_config_dir(folder);
    }
    match globals.command.split_first() {
        None => print_help(&[]),
        Some((first, rest)) if first == "help" => print_help(rest),
        Some(_) => {
            let (path, node, rest) = find(&globals.command)?;
            dispatch(&path, node, rest, || {
                Session::new(globals.host.as_deref(), &globals.tls, environment)
            })
        }
    }
}

fn dispatch(
    path: &str,
    node: &Node,
    rest: &[String],
    session: impl FnOnce() -> Result<Session, Error>,
) -> Result<u8, Error> {
    match node {
        Node::Group { .. } => {
            output::print(&help::of_node(path, node))?;
            Ok(0)
        }
        Node::Verb { build, usage, takes, run, .. } => {
            let place = parse::Place { path, usage, takes: Some(*takes) };
            let arguments = rest.iter().map(OsString::from).collect();
            match parse::parse(build(), &place, arguments)? {
                None => {
                    output::print(&help::of_node(path, node))?;
                    Ok(0)
                }
                Some(matches) => run(&matches, &session()?),
            }
        }
    }
}

/// Follows `words` down the table of commands; gives the way there and the words that are left.
fn find(words: &[String]) -> Result<(String, &'static Node, &[String]), Error> {
    let (mut path, mut nodes, mut rest) = ("gantry".to_owned(), TOP, words);
    let mut found = None;
    while let Some((word, after)) = rest.split_first() {
        if found.is_some() && (nodes.is_empty() || word.starts_with('-')) {
            break;
        }
        let Some(node) = nodes.iter().find(|node| node.is_called(word)) else {
            return Err(unknown(&path, word));
        };
        path = format!("{path} {word}");
        (rest, found, nodes) = (after, Some(node), node.children());
    }
    found.map(|node| (path, node, rest)).ok_or_else(|| unknown("gantry", ""))
}

fn unknown(path: &str, word: &str) -> Error {
    let text = if table::NOT_THERE_YET.contains(&word) && path == "gantry" {
        format!("gantry: '{path} {word}' is not there yet\n\nRun '{path} --help' for what is")
    } else {
        format!(
            "gantry: unknown command: {path} {word}\n\nRun '{path} --help' for more information"
        )
    };
    Error::Usage { text, code: crate::exit::FAILURE }
}

fn print_help(words: &[String]) -> Result<u8, Error> {
    let text = if words.is_empty() {
        let frame = Globals::augment_args(Command::new("gantry"));
        help::of_program(frame)
    } else {
        let (path, node, _) = find(words)?;
        help::of_node(&path, node)
    };
    output::print(&text)?;
    Ok(0)
}

/// Reads a command's fields out of what was parsed.
fn read<T: FromArgMatches>(matches: &ArgMatches) -> Result<T, Error> {
    T::from_arg_matches(matches)
        .map_err(|error| Error::Usage { text: error.to_string(), code: crate::exit::FAILURE })
}

/// Runs one command to its end on a runtime of its own.
fn run_verb<V: Verb>(matches: &ArgMatches, session: &Session) -> Result<u8, Error> {
    let verb = read::<V>(matches)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::System { action: "start the runtime", source })?;
    // A thread may still be reading from the terminal; it must not keep us. The rest ends with the program.
    ManuallyDrop::new(runtime).block_on(verb.execute(session))
}

#[cfg(test)]
pub(crate) mod tests;
