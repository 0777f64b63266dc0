//! Credential helpers: programs `docker-credential-<name>` that keep secrets (Docker's credential-helper protocol).

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use gantry_api::system::AuthConfig;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What a helper says in place of a user name when the secret is a refresh token.
const TOKEN: &str = "<token>";
/// What helpers say of a registry that they know nothing of.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The longest answer that is read.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Keeper {
    program: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Secret {
    #[serde(rename = "ServerURL")]
    server: String,
    username: String,
    #[serde(rename = "Secret")]
    value: String,
}

impl Keeper {
    pub(super) fn new(name: &str) -> Self {
        Self { program: format!("docker-credential-{name}") }
    }

    pub(super) fn get(&self, server: &str) -> Result<Option<AuthConfig>, Error> {
        let (succeeded, answer) = self.run("get", server.as_bytes())?;
        if !succeeded && answer.trim() == NOT_FOUND {
            return Ok(None);
        }
        if !succeeded {
            return Err(self.failed("get", &answer));
        }
        let known: Secret = serde_json::from_str(&answer).map_err(|error| {
            self.failed("get", &format!("its answer is no such document: {error}"))
        })?;
        Ok(Some(if known.username == TOKEN {
            AuthConfig { identitytoken: known.value, ..AuthConfig::default() }
        } else {
            AuthConfig { username: known.username, password: known.value, ..AuthConfig::default() }
        }))
    }

    pub(super) fn store(&self, server: &str, credentials: &AuthConfig) -> Result<(), Error> {
        let (username, secret) = if credentials.identitytoken.is_empty() {
            (credentials.username.clone(), credentials.password.clone())
        } else {
            (TOKEN.to_owned(), credentials.identitytoken.clone())
        };
        let secret = Secret { server: server.to_owned(), username, value: secret };
        self.do_it("store", &serde_json::to_vec(&secret)?)
    }

    pub(super) fn erase(&self, server: &str) -> Result<(), Error> {
        self.do_it("erase", server.as_bytes())
    }

    fn do_it(&self, action: &str, input: &[u8]) -> Result<(), Error> {
        match self.run(action, input)? {
            (true, _) => Ok(()),
            (false, answer) => Err(self.failed(action, &answer)),
        }
    }

    /// Runs the program; whether it succeeded, and what it printed.
    fn run(&self, action: &str, input: &[u8]) -> Result<(bool, String), Error> {
        let cannot = |error: std::io::Error| self.failed(action, &error.to_string());
        let mut child = Command::new(&self.program)
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A helper that has read enough may have closed it; its status tells.
            drop(stdin.write_all(input));
        }
        let mut answer = String::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_BYTES).read_to_string(&mut answer).map_err(cannot)?;
        }
        let status = child.wait().map_err(cannot)?;
        Ok((status.success(), answer))
    }

    fn failed(&self, action: &str, reason: &str) -> Error {
        Error::refused(format!("{} {action} failed: {}", self.program, reason.trim()))
    }
}
