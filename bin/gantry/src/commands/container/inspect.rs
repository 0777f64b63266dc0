//! `container inspect`: everything about containers.

use crate::cli::{Takes, Verb};
use crate::commands::system::inspect::{Kind, Shown, inspect};
use crate::error::Error;
use crate::session::Session;

/// Display detailed information on one or more containers
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format output: 'json', or a Go template
    #[arg(short, long, default_value = "", hide_default_value = true)]
    format: String,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
    #[arg(required = true, value_name = "CONTAINER", hide = true)]
    containers: Vec<String>,
}

impl Verb for Inspect {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let shown = Shown {
            kind: Some(Kind::Container),
            size: self.size,
            platform: "",
            format: &self.format,
        };
        inspect(session, &shown, &self.containers).await
    }
}
