//! `rename`: another name for a container.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Rename a container
#[derive(Debug, clap::Args)]
pub(crate) struct Rename {
    #[arg(required = true, hide = true)]
    container: String,
    #[arg(required = true, hide = true)]
    new_name: String,
}

impl Verb for Rename {
    const USAGE: &'static str = "CONTAINER NEW_NAME";
    const TAKES: Takes = Takes::Exactly(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let (old, new) = (self.container.trim(), self.new_name.trim());
        if old.is_empty() || new.is_empty() {
            let text = "neither the old nor the new name of a container may be empty";
            return Err(Error::refused(text));
        }
        let client = session.connect().await?;
        if let Err(error) = client.container_rename(old, new).await {
            output::remark(&Error::from(error).report());
            return Err(Error::refused(format!("Error: failed to rename container named {old}")));
        }
        Ok(0)
    }
}
