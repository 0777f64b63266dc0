//! `builds rm`: forgets builds; their images stay.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Remove builds from the history
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    #[arg(required = true, hide = true)]
    builds: Vec<String>,
}

impl Verb for Remove {
    const USAGE: &'static str = "BUILD [BUILD...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = &session.connect().await?;
        output::for_each(
            &self.builds,
            |id| async move { Ok(client.build_history_remove(&id).await?) },
        )
        .await
    }
}
