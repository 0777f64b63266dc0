//! `logout`: credentials forgotten.

use super::domain;
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Log out from a registry
#[derive(Debug, clap::Args)]
pub(crate) struct Logout {
    #[arg(hide = true)]
    server: Option<String>,
}

impl Verb for Logout {
    const USAGE: &'static str = "[SERVER]";
    const TAKES: Takes = Takes::AtMost(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let domain = domain(self.server.as_deref());
        if session.all_credentials()?.forget(domain)? {
            output::line(&format!("Removing login credentials for {domain}"))?;
        } else {
            output::line(&format!("Not logged in to {domain}"))?;
        }
        Ok(0)
    }
}
