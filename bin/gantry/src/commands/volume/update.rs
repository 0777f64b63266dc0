//! `volume update`: Docker's, for volumes of a swarm's cluster. Those of one host have nothing to update.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::session::Session;

/// Update a volume (cluster volumes only)
#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// Cluster Volume availability ("active", "pause", "drain")
    #[arg(long = "availability", value_name = "STRING", default_value = "active")]
    _availability: String,
    #[arg(required = true, hide = true)]
    volume: String,
}

impl Verb for Update {
    const USAGE: &'static str = "[OPTIONS] [VOLUME]";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        // That there is no such volume is said first.
        session.connect().await?.volume_inspect_raw(&self.volume).await?;
        Err(Error::refused("Can only update cluster volumes"))
    }
}
