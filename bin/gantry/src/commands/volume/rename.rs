//! `volume rename`: another name, also in the containers that have it.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Give a volume that no running container uses another name
#[derive(Debug, clap::Args)]
pub(crate) struct Rename {
    #[arg(required = true, hide = true)]
    volume: String,
    #[arg(required = true, hide = true)]
    name: String,
}

impl Verb for Rename {
    const USAGE: &'static str = "VOLUME NEW_NAME";
    const TAKES: Takes = Takes::Exactly(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let made = session.connect().await?.volume_rename(&self.volume, &self.name).await?;
        output::line(&made.name)?;
        Ok(0)
    }
}
