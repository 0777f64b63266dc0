//! `login`: credentials checked at their registry and kept.

use std::io::{BufRead, Read};

use gantry_api::system::AuthConfig;

use super::domain;
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;
use crate::terminal;

/// The longest password that is read from standard input, in bytes.
const MAX_PASSWORD_BYTES: u64 = 64 << 10;

/// Authenticate to a registry
#[derive(Debug, clap::Args)]
pub(crate) struct Login {
    /// Username
    #[arg(short, long)]
    username: Option<String>,
    /// Password or Personal Access Token (PAT)
    #[arg(short, long)]
    password: Option<String>,
    /// Take the Password or Personal Access Token (PAT) from stdin
    #[arg(long)]
    password_stdin: bool,
    #[arg(hide = true)]
    server: Option<String>,
}

impl Verb for Login {
    const USAGE: &'static str = "[OPTIONS] [SERVER]";
    const TAKES: Takes = Takes::AtMost(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let domain = domain(self.server.as_deref()).to_owned();
        let mut credentials = self.credentials(&domain)?;
        let client = session.connect().await?;
        let response = client.login(&credentials).await?;
        if !response.identity_token.is_empty() {
            credentials.password.clear();
            credentials.identitytoken = response.identity_token;
        }
        let mut known = session.all_credentials()?;
        if known.keep(&domain, &credentials)? {
            output::remark(
                "WARNING! Your credentials are stored unencrypted in config.json; a credential helper (credsStore) \
                 would keep them safe.",
            );
        }
        output::line(&response.status)?;
        Ok(0)
    }
}

impl Login {
    /// What the user gives, by flags, standard input or at the terminal.
    fn credentials(&self, domain: &str) -> Result<AuthConfig, Error> {
        if self.password.is_some() && self.password_stdin {
            return Err(Error::refused("--password and --password-stdin are mutually exclusive"));
        }
        if self.password_stdin && self.username.is_none() {
            return Err(Error::refused("Must provide --username with --password-stdin"));
        }
        let password = match (&self.password, self.password_stdin) {
            (Some(password), _) => {
                output::remark(
                    "WARNING! Using --password via the CLI is insecure. Use --password-stdin.",
                );
                Some(password.clone())
            }
            (None, true) => Some(password_from_stdin()?),
            (None, false) => None,
        };
        if (self.username.is_none() || password.is_none()) && !terminal::stdin_is_terminal() {
            return Err(Error::refused(
                "cannot ask for the credentials: standard input is no terminal; use --username with --password-stdin",
            ));
        }
        let username = match &self.username {
            Some(name) => name.clone(),
            None => ask("Username: ")?,
        };
        let password = password.map_or_else(ask_secretly, Ok)?;
        if username.is_empty() || password.is_empty() {
            return Err(Error::refused("a username and a password are needed"));
        }
        let serveraddress = domain.to_owned();
        Ok(AuthConfig { username, password, serveraddress, ..AuthConfig::default() })
    }
}

fn password_from_stdin() -> Result<String, Error> {
    let failed = |source| Error::System { action: "read the password from standard input", source };
    let mut text = String::new();
    std::io::stdin().lock().take(MAX_PASSWORD_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn ask_secretly() -> Result<String, Error> {
    let _hidden = terminal::without_echo()?;
    let password = ask("Password: ")?;
    output::remark("");
    Ok(password)
}

fn ask(question: &str) -> Result<String, Error> {
    let failed = |source| Error::System { action: "read an answer from the terminal", source };
    output::print(question)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}
