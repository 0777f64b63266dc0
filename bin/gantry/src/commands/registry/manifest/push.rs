//! `manifest push`: a list goes to its registry.

use gantry_api::image::DistributionPushRequest;

use super::store::Store;
use super::{list, reference};
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Push a manifest list to a repository
#[derive(Debug, clap::Args)]
pub(crate) struct Push {
    /// Allow push to an insecure registry
    #[arg(long)]
    insecure: bool,
    /// Remove the local manifest list after push
    #[arg(short, long)]
    purge: bool,
    #[arg(required = true, hide = true)]
    list: String,
}

impl Verb for Push {
    const USAGE: &'static str = "[OPTIONS] MANIFEST_LIST";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let store = Store::of(session)?;
        let name = reference(&self.list)?;
        let entries = store.list(&name)?.filter(|entries| !entries.is_empty());
        let entries = entries.ok_or_else(|| Error::refused(format!("No such manifest: {name}")))?;
        for entry in &entries {
            let platform = entry.descriptor.platform.as_ref();
            if platform.is_none_or(|it| it.os.is_empty() || it.architecture.is_empty()) {
                return Err(Error::refused(format!(
                    "manifest {} must have an OS and Architecture to be pushed to a registry",
                    entry.reference
                )));
            }
        }
        let raw = list::text(&name, &entries)?;
        let elsewhere = entries.iter().filter(|it| it.reference.path() != name.path());
        let source = |it: &super::entry::Entry| {
            format!("{}@{}", it.reference.repository(), it.descriptor.digest)
        };
        let request = DistributionPushRequest { raw, sources: elsewhere.map(source).collect() };
        let credentials = session.credentials(name.domain())?;
        let client = session.connect().await?;
        let way = (self.insecure, credentials.as_ref());
        let pushed = client.distribution_push(&name.to_string(), &request, way).await?;
        for manifest in &pushed.manifests {
            let digest = manifest.rsplit_once('@').map_or("", |(_, digest)| digest);
            output::line(&format!("Pushed ref {manifest} with digest: {digest}"))?;
        }
        output::line(&pushed.digest)?;
        if self.purge {
            store.remove(&name)?;
        }
        Ok(0)
    }
}
