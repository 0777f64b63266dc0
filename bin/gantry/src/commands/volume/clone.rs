//! `volume clone`: a new volume with the files of another, which may be in use.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Create a volume with the files of another
#[derive(Debug, clap::Args)]
pub(crate) struct Clone {
    #[arg(required = true, hide = true)]
    volume: String,
    #[arg(required = true, hide = true)]
    name: String,
}

impl Verb for Clone {
    const USAGE: &'static str = "VOLUME NEW_NAME";
    const TAKES: Takes = Takes::Exactly(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let made = session.connect().await?.volume_clone(&self.volume, &self.name).await?;
        output::line(&made.name)?;
        Ok(0)
    }
}
