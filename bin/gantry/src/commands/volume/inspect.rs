//! `volume inspect`: everything about volumes.

use crate::cli::{Takes, Verb};
use crate::commands::system::inspect::{Kind, Shown, inspect};
use crate::error::Error;
use crate::session::Session;

/// Display detailed information on one or more volumes
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format output: 'json', or a Go template
    #[arg(short, long, default_value = "", hide_default_value = true)]
    format: String,
    #[arg(required = true, value_name = "VOLUME", hide = true)]
    volumes: Vec<String>,
}

impl Verb for Inspect {
    const USAGE: &'static str = "[OPTIONS] VOLUME [VOLUME...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let shown =
            Shown { kind: Some(Kind::Volume), size: false, platform: "", format: &self.format };
        inspect(session, &shown, &self.volumes).await
    }
}
