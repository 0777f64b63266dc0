//! `manifest create`: a list begins, or grows.

use super::entry::Entry;
use super::store::Store;
use super::{fetch, reference};
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Create a local manifest list for annotating and pushing to a registry
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Amend an existing manifest list
    #[arg(short, long)]
    amend: bool,
    /// Allow communication with an insecure registry
    #[arg(long)]
    insecure: bool,
    #[arg(required = true, hide = true)]
    list: String,
    #[arg(required = true, hide = true)]
    manifests: Vec<String>,
}

impl Verb for Create {
    const USAGE: &'static str = "MANIFEST_LIST MANIFEST [MANIFEST...]";
    const TAKES: Takes = Takes::AtLeast(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let store = Store::of(session)?;
        let wrong = |error| {
            Error::refused(format!("error parsing name for manifest list {}: {error}", self.list))
        };
        let list = reference(&self.list).map_err(wrong)?;
        if !self.amend && store.list(&list)?.is_some() {
            return Err(Error::refused(
                "refusing to amend an existing manifest list with no --amend flag",
            ));
        }
        for name in &self.manifests {
            let name = reference(name)?;
            let entry = match store.get(&list, &name)? {
                Some(known) => known,
                None => match fetch(session, &name, self.insecure).await? {
                    (document, listed) if listed.is_empty() => Entry::of(name.clone(), &document)?,
                    _ => return Err(Error::refused(format!("{name} is a manifest list"))),
                },
            };
            store.save(&list, &name, &entry)?;
        }
        output::line(&format!("Created manifest list {list}"))?;
        Ok(0)
    }
}
