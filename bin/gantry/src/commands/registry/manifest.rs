//! `manifest`: documents in registries, and lists of them that a user puts together.
//!
//! A list that is being made lies with the user, where docker has it, so that either command line goes on with what the other began, and
//! no daemon keeps what nobody may ever push. Registries are spoken to by the daemon alone, which knows their mirrors, certificates and
//! proxies; it has them mount what they have in other repositories.

pub(crate) mod annotate;
pub(crate) mod create;
mod entry;
pub(crate) mod inspect;
mod list;
pub(crate) mod push;
pub(crate) mod remove;
mod store;

use gantry_api::image::DistributionDocument;
use gantry_types::{ImageReference, InvalidReference};

use crate::error::Error;
use crate::session::Session;

/// A name as the user wrote it.
fn reference(name: &str) -> Result<ImageReference, Error> {
    name.parse().map_err(|error: InvalidReference| Error::refused(error.to_string()))
}

/// The document that a name leads to in its registry, and those that it lists.
async fn fetch(
    session: &Session,
    reference: &ImageReference,
    insecure: bool,
) -> Result<(DistributionDocument, Vec<DistributionDocument>), Error> {
    let credentials = session.credentials(reference.domain())?;
    let client = session.connect().await?;
    let found = client.distribution(&reference.to_string(), insecure, credentials.as_ref()).await?;
    let mut documents = found.documents.into_iter();
    match documents.next() {
        Some(first) => Ok((first, documents.collect())),
        None => Err(Error::refused(format!("no such manifest: {reference}"))),
    }
}
