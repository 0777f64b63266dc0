//! `volume rm`: volumes go, with their files.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Remove one or more volumes
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Force the removal of one or more volumes
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, value_name = "VOLUME", hide = true)]
    volumes: Vec<String>,
}

impl Verb for Remove {
    const USAGE: &'static str = "[OPTIONS] VOLUME [VOLUME...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = &session.connect().await?;
        let mut failed = false;
        for name in &self.volumes {
            match client.volume_remove(name, self.force).await {
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
