//! `plugin rm`: plugins go, with their files.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Remove one or more plugins
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Force the removal of an active plugin
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, value_name = "PLUGIN", hide = true)]
    plugins: Vec<String>,
}

impl Verb for Remove {
    const USAGE: &'static str = "[OPTIONS] PLUGIN [PLUGIN...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = &session.connect().await?;
        let mut failed = false;
        for name in &self.plugins {
            match client.plugin_remove(name, self.force).await {
                Ok(()) => output::line(name)?,
                Err(error) => {
                    failed = true;
                    output::remark(&Error::from(error).report());
                }
            }
        }
        if failed { Err(Error::Reported) } else { Ok(0) }
    }
}
