//! `plugin inspect`: everything about plugins.

use crate::cli::{Takes, Verb};
use crate::commands::system::inspect::{Kind, Shown, inspect};
use crate::error::Error;
use crate::session::Session;

/// Display detailed information on one or more plugins
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format output: 'json', or a Go template
    #[arg(short, long, default_value = "", hide_default_value = true)]
    format: String,
    #[arg(required = true, value_name = "PLUGIN", hide = true)]
    plugins: Vec<String>,
}

impl Verb for Inspect {
    const USAGE: &'static str = "[OPTIONS] PLUGIN [PLUGIN...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let shown =
            Shown { kind: Some(Kind::Plugin), size: false, platform: "", format: &self.format };
        inspect(session, &shown, &self.plugins).await
    }
}
