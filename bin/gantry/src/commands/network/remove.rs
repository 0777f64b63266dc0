//! `network rm`: networks go.

use gantry_types::ErrorKind;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Remove one or more networks
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Do not error if the network does not exist
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, value_name = "NETWORK", hide = true)]
    networks: Vec<String>,
}

impl Verb for Remove {
    const USAGE: &'static str = "NETWORK [NETWORK...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = &session.connect().await?;
        let mut failed = false;
        for name in &self.networks {
            match client.network_remove(name).await {
                Ok(()) => output::line(name)?,
                Err(error) => {
                    let error = Error::from(error);
                    failed |= !(self.force && error.kind() == ErrorKind::NotFound);
                    output::remark(&error.report());
                }
            }
        }
        if failed { Err(Error::Reported) } else { Ok(0) }
    }
}
