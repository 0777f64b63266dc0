//! `manifest inspect`: the document that a name leads to in its registry, through the daemon, which knows how its
//! registries are to be spoken to.

use gantry_api::image::DistributionDocument;
use gantry_types::{ImageReference, InvalidReference};
use serde_json::Value;

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
    name: String,
}

impl Verb for Inspect {
    const USAGE: &'static str = "[OPTIONS] MANIFEST";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let invalid = |error: InvalidReference| Error::refused(error.to_string());
        let reference: ImageReference = self.name.parse().map_err(invalid)?;
        if self.insecure {
            output::remark(
                "the daemon decides which registries may be insecure: see its --insecure-registry",
            );
        }
        let credentials = session.credentials(reference.domain())?;
        let client = session.connect().await?;
        let found = client.distribution(&reference.to_string(), credentials.as_ref()).await?;
        let Some((first, listed)) = found.documents.split_first() else {
            return Err(Error::refused(format!("no such manifest: {}", self.name)));
        };
        let text = match (self.verbose, listed) {
            (false, _) => read(first).map(|_| first.raw.clone())?,
            (true, []) => {
                let mut shown = described(&reference, first)?;
                // What stands alone is called as it was asked for.
                shown["Ref"] = reference.to_string().into();
                shown.to_string()
            }
            (true, listed) => {
                let all = listed.iter().map(|one| described(&reference, one));
                Value::Array(all.collect::<Result<_, _>>()?).to_string()
            }
        };
        output::line(&json::indented_by("\t", &text))?;
        Ok(0)
    }
}

fn read(document: &DistributionDocument) -> Result<Value, Error> {
    serde_json::from_str(&document.raw)
        .map_err(|error| Error::refused(format!("the manifest is no JSON: {error}")))
}

/// What `--verbose` shows of one manifest.
fn described(reference: &ImageReference, document: &DistributionDocument) -> Result<Value, Error> {
    let digest = document.descriptor["digest"].as_str().unwrap_or_default();
    let kind = document.descriptor["mediaType"].as_str().unwrap_or_default();
    let name = if reference.digest().is_some() {
        reference.to_string()
    } else {
        format!("{reference}@{digest}")
    };
    let key = if kind.contains("vnd.oci.") { "OCIManifest" } else { "SchemaV2Manifest" };
    let manifest = read(document)?;
    Ok(serde_json::json!({ "Ref": name, "Descriptor": document.descriptor, key: manifest }))
}
