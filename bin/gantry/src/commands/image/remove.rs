//! `rmi`: names of images, and with its last name the image.

use gantry_client::ImageRemoveQuery;
use gantry_types::ErrorKind;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Remove one or more images
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Force removal of the image
    #[arg(short, long)]
    force: bool,
    /// Do not delete untagged parents
    #[arg(long)]
    no_prune: bool,
    /// Remove only the given platform variant (os[/arch[/variant]])
    #[arg(long)]
    platform: Vec<String>,
    #[arg(required = true, value_name = "IMAGE", hide = true)]
    images: Vec<String>,
}

impl Verb for Remove {
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = session.connect().await?;
        let options = ImageRemoveQuery {
            force: self.force,
            keep_parents: self.no_prune,
            platforms: self.platform,
        };
        let mut failed = false;
        for name in &self.images {
            match client.image_remove(name, &options).await {
                Ok(items) => {
                    for item in items {
                        if item.deleted.is_empty() {
                            output::line(&format!("Untagged: {}", item.untagged))?;
                        } else {
                            output::line(&format!("Deleted: {}", item.deleted))?;
                        }
                    }
                }
                Err(error) => {
                    let error = Error::from(error);
                    // By force, what is not there is as good as removed.
                    failed |= !(self.force && error.kind() == ErrorKind::NotFound);
                    output::remark(&error.report());
                }
            }
        }
        if failed { Err(Error::Reported) } else { Ok(0) }
    }
}
