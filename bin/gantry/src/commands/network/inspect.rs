//! `network inspect`: everything about networks.

use crate::cli::{Takes, Verb};
use crate::commands::system::inspect::{Kind, Shown, inspect};
use crate::error::Error;
use crate::session::Session;

/// Display detailed information on one or more networks
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format output: 'json', or a Go template
    #[arg(short, long, default_value = "", hide_default_value = true)]
    format: String,
    /// Verbose output for diagnostics
    #[arg(short, long)]
    verbose: bool,
    #[arg(required = true, value_name = "NETWORK", hide = true)]
    networks: Vec<String>,
}

impl Verb for Inspect {
    const USAGE: &'static str = "[OPTIONS] NETWORK [NETWORK...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let shown =
            Shown { kind: Some(Kind::Network), size: false, platform: "", format: &self.format };
        inspect(session, &shown, &self.networks).await
    }
}
