//! What runs in the container and how it is connected: command, environment, user, streams.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gantry_api::container::CreateRequest;

use super::lines::{env_file, environment_entry, label_file};
use super::value;
use crate::error::Error;

// A doc comment here would become the help of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct ProcessFlags {
    /// Add an annotation to the container (passed through to the OCI runtime)
    #[arg(long, value_parser = value::pair)]
    annotation: Vec<(String, String)>,
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_parser = stream)]
    pub(crate) attach: Vec<Stream>,
    /// Container NIS domain name
    #[arg(long)]
    domainname: Option<String>,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long)]
    entrypoint: Option<String>,
    /// Set environment variables
    #[arg(short, long, value_parser = value::environment)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long)]
    env_file: Vec<PathBuf>,
    /// Add additional groups to join
    #[arg(long)]
    group_add: Vec<String>,
    /// Container host name
    #[arg(short = 'h', long)]
    hostname: Option<String>,
    /// Run an init inside the container that forwards signals and reaps processes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        action = clap::ArgAction::Set, value_parser = crate::cli::boolean)]
    init: Option<bool>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Set meta data on a container
    #[arg(short, long, value_parser = value::label)]
    label: Vec<String>,
    /// Read in a line delimited file of labels
    #[arg(long)]
    label_file: Vec<PathBuf>,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long)]
    user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long)]
    workdir: Option<String>,
    /// `-d`: nothing is attached.
    #[arg(skip)]
    pub(crate) detached: bool,
    /// Of the user's configuration: what `--env` names wins over them.
    #[arg(skip)]
    pub(crate) proxies: Vec<(String, String)>,
}

/// One of a process's standard streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdin,
    Stdout,
    Stderr,
}

/// Which streams are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Streams {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

impl Streams {
    pub(crate) fn any(self) -> bool {
        self.stdin || self.stdout || self.stderr
    }
}

fn stream(text: &str) -> Result<Stream, String> {
    match text.to_ascii_lowercase().as_str() {
        "stdin" => Ok(Stream::Stdin),
        "stdout" => Ok(Stream::Stdout),
        "stderr" => Ok(Stream::Stderr),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".to_owned()),
    }
}

/// Those variables that no entry (`NAME` or `NAME=VALUE`) names.
pub(crate) fn without<'a>(
    variables: &'a [(String, String)],
    entries: &'a [String],
) -> impl Iterator<Item = &'a (String, String)> {
    variables.iter().filter(move |(name, _)| {
        entries.iter().all(|entry| entry.split('=').next() != Some(name.as_str()))
    })
}

impl ProcessFlags {
    /// The streams to attach to: those that were named, else output, and input with `-i`.
    pub(crate) fn streams(&self) -> Streams {
        if self.detached {
            return Streams::default();
        }
        if self.attach.is_empty() {
            return Streams { stdin: self.interactive, stdout: true, stderr: true };
        }
        let has = |stream| self.attach.contains(&stream);
        Streams {
            stdin: has(Stream::Stdin),
            stdout: has(Stream::Stdout),
            stderr: has(Stream::Stderr),
        }
    }

    pub(super) fn apply(&self, request: &mut CreateRequest) -> Result<(), Error> {
        let config = &mut request.config;
        let streams = self.streams();
        (config.attach_stdin, config.attach_stdout, config.attach_stderr) =
            (streams.stdin, streams.stdout, streams.stderr);
        config.tty = self.tty;
        config.open_stdin = self.interactive;
        config.stdin_once = self.interactive && streams.stdin;
        config.hostname = self.hostname.clone().unwrap_or_default();
        config.domainname = self.domainname.clone().unwrap_or_default();
        config.user = self.user.clone().unwrap_or_default();
        config.working_dir = self.workdir.clone().unwrap_or_default();
        // An empty word takes the image's entrypoint away.
        config.entrypoint = self.entrypoint.clone().map(|program| vec![program]);
        config.env = self.environment()?;
        config.labels = self.labels()?;
        let host = &mut request.host_config;
        host.init = self.init;
        host.group_add.clone_from(&self.group_add);
        host.annotations = self.annotation.iter().cloned().collect();
        Ok(())
    }

    /// Files first, so that flags win.
    fn environment(&self) -> Result<Vec<String>, Error> {
        let mut entries = Vec::new();
        for path in &self.env_file {
            entries.extend(env_file(path)?);
        }
        let proxies = without(&self.proxies, &self.env);
        entries.extend(proxies.map(|(name, value)| format!("{name}={value}")));
        entries.extend(self.env.iter().map(|entry| environment_entry(entry)));
        Ok(entries)
    }

    fn labels(&self) -> Result<BTreeMap<String, String>, Error> {
        let mut entries = Vec::new();
        for path in &self.label_file {
            entries.extend(label_file(path)?);
        }
        entries.extend(self.label.iter().cloned());
        let split = |entry: &String| {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            (name.to_owned(), value.to_owned())
        };
        Ok(entries.iter().map(split).collect())
    }
}
