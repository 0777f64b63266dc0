//! `manifest inspect`: a list that is being made, or the document that a name leads to in its registry.

use super::entry::Entry;
use super::store::Store;
use super::{fetch, list, reference};
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::json;
use crate::output;
use crate::session::Session;

/// Display an image manifest, or manifest list
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Allow communication with an insecure registry
    #[arg(long)]
    insecure: bool,
    /// Output additional info including layers and platform
    #[arg(short, long)]
    verbose: bool,
    #[arg(required = true, hide = true)]
    names: Vec<String>,
}

impl Verb for Inspect {
    const USAGE: &'static str = "[OPTIONS] [MANIFEST_LIST] MANIFEST";
    const TAKES: Takes = Takes::Between(1, 2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let text = match self.names.as_slice() {
            [name, manifest] => {
                let (name, manifest) = (reference(name)?, reference(manifest)?);
                let entry = Store::of(session)?.get(&name, &manifest)?;
                let entry =
                    entry.ok_or_else(|| Error::refused(format!("No such manifest: {manifest}")))?;
                self.shown(&entry)?
            }
            names => self.by_name(&names.concat(), session).await?,
        };
        output::line(&text)?;
        Ok(0)
    }
}

impl Inspect {
    /// A list that is being made comes first.
    async fn by_name(&self, name: &str, session: &Session) -> Result<String, Error> {
        let name = reference(name)?;
        let kept = Store::of(session).and_then(|store| store.list(&name));
        if let Ok(Some(entries)) = kept {
            return if self.verbose { all(&entries) } else { list::text(&name, &entries) };
        }
        let (document, listed) = fetch(session, &name, self.insecure).await?;
        if listed.is_empty() || !self.verbose {
            // What stands alone is called as it was asked for.
            return self.shown(&Entry::of(name, &document)?);
        }
        let entries: Result<Vec<Entry>, Error> =
            listed.iter().map(|one| Entry::listed(&name, one)).collect();
        all(&entries?)
    }

    fn shown(&self, entry: &Entry) -> Result<String, Error> {
        let text = if self.verbose { entry.to_json()? } else { entry.text.clone() };
        Ok(json::indented_by("\t", &text))
    }
}

/// With all that is known of each.
fn all(entries: &[Entry]) -> Result<String, Error> {
    let entries: Result<Vec<String>, Error> = entries.iter().map(Entry::to_json).collect();
    Ok(json::indented_by("\t", &format!("[{}]", entries?.join(","))))
}
