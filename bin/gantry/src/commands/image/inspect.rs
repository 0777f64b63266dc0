//! `image inspect`: everything about images.

use crate::cli::{Takes, Verb};
use crate::commands::system::inspect::{Kind, Shown, inspect};
use crate::error::Error;
use crate::session::Session;

/// Display detailed information on one or more images
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format output: 'json', or a Go template
    #[arg(short, long, default_value = "", hide_default_value = true)]
    format: String,
    /// Inspect a specific platform of the multi-platform image (os[/arch[/variant]])
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    #[arg(required = true, value_name = "IMAGE", hide = true)]
    images: Vec<String>,
}

impl Verb for Inspect {
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let shown = Shown {
            kind: Some(Kind::Image),
            size: false,
            platform: &self.platform,
            format: &self.format,
        };
        inspect(session, &shown, &self.images).await
    }
}
