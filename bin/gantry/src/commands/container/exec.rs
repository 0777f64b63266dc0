//! `exec`: one more process in a container that runs.

use std::path::PathBuf;
use std::sync::Arc;

use gantry_api::exec::{ExecCreateRequest, ExecStartRequest};
use gantry_client::Client;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::exit;
use crate::flags::{detach_keys, env_file, environment, environment_entry};
use crate::session::Session;
use crate::streams::{DetachKeys, Ended, Relay, Sized, follow_size};
use crate::terminal;

/// Execute a command in a running container
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "the command has as many switches")]
pub(crate) struct Exec {
    /// Detached mode: run command in the background
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_parser = detach_keys)]
    detach_keys: Option<DetachKeys>,
    /// Set environment variables
    #[arg(short, long, value_parser = environment)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long)]
    env_file: Vec<PathBuf>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Give extended privileges to the command
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// Username or UID (format: "<name|uid>[:<group|gid>]")
    #[arg(short, long)]
    user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long)]
    workdir: Option<String>,
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, value_name = "CONTAINER", hide = true)]
    container_and_command: Vec<String>,
}

impl Verb for Exec {
    const USAGE: &'static str = "[OPTIONS] CONTAINER COMMAND [ARG...]";
    const TAKES: Takes = Takes::AtLeast(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        terminal::check_input(self.interactive && self.tty && !self.detach)?;
        let container = self.container_and_command.first().map_or("", String::as_str);
        let request = self.request()?;
        let client = Arc::new(session.connect().await?);
        let id = client.exec_create(container, &request).await?.id;
        let start = ExecStartRequest {
            detach: self.detach,
            tty: self.tty,
            console_size: request.console_size,
        };
        if self.detach {
            client.exec_start_detached(&id, &start).await?;
            return Ok(0);
        }
        self.attached(&client, &id, &start).await
    }
}

impl Exec {
    fn request(&self) -> Result<ExecCreateRequest, Error> {
        let mut env = Vec::new();
        for path in &self.env_file {
            env.extend(env_file(path)?);
        }
        env.extend(self.env.iter().map(|entry| environment_entry(entry)));
        let size = if self.tty { terminal::size() } else { None };
        Ok(ExecCreateRequest {
            user: self.user.clone().unwrap_or_default(),
            privileged: self.privileged,
            tty: self.tty,
            console_size: size.map(|size| [size.rows.into(), size.columns.into()]),
            attach_stdin: self.interactive && !self.detach,
            attach_stdout: !self.detach,
            attach_stderr: !self.detach,
            detach_keys: self.keys().as_str().to_owned(),
            env,
            working_dir: self.workdir.clone().unwrap_or_default(),
            cmd: self.container_and_command.get(1..).unwrap_or_default().to_vec(),
        })
    }

    fn keys(&self) -> DetachKeys {
        self.detach_keys.clone().unwrap_or_default()
    }

    async fn attached(
        &self,
        client: &Arc<Client>,
        id: &str,
        start: &ExecStartRequest,
    ) -> Result<u8, Error> {
        let hijacked = client.exec_start(id, start).await?;
        let _size = if self.tty && terminal::stdout_is_terminal() {
            Some(follow_size(client, Sized::Exec(id.to_owned()))?)
        } else {
            None
        };
        let relay = Relay { tty: self.tty, stdin: self.interactive, detach_keys: self.keys() };
        match relay.run(hijacked).await? {
            Ended::Detached => Ok(0),
            Ended::Signal(signal) => Ok(exit::of_status(128 + i64::from(signal.as_raw()))),
            Ended::Output => {
                let known = client.exec_inspect(id).await?;
                Ok(exit::of_status(known.exit_code.unwrap_or_default().into()))
            }
        }
    }
}
