//! Where the blobs of images are in registries, as far as we have seen them there: a push takes them over from another
//! repository instead of sending them, and knows what a layer became when it was compressed.

use gantry_db::{Table, WriteTx};
use gantry_oci::image::Descriptor;
use gantry_types::Digest;
use serde::{Deserialize, Serialize};

use crate::record::has_users;
use crate::{Images, Result};

/// By the digest of the blob here; the newest place last.
const PLACES: Table<Vec<Place>> = Table::new("image-blob-places");

/// Places of one blob that are kept.
const MAX_PLACES: usize = 16;

/// One place where a blob was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The registry, `host[:port]`.
    pub domain: String,
    /// The repository there.
    pub path: String,
    /// The blob there. Its content is that of the blob here, or the same compressed.
    pub blob: Descriptor,
}

impl Images {
    /// Where a blob of ours was seen, the newest place first.
    pub fn places(&self, digest: &Digest) -> Result<Vec<Place>> {
        let mut places = self.db.read(|tx| PLACES.get(tx, digest.as_str()))?.unwrap_or_default();
        places.reverse();
        Ok(places)
    }

    /// Remembers places, each with the digest of the blob here. They are forgotten with the last image that uses it;
    /// of a blob that no image uses nothing is remembered.
    pub fn remember_places(&self, seen: &[(Digest, Place)]) -> Result<()> {
        let is_news = |(digest, place): &&(Digest, Place)| {
            Ok::<_, crate::Error>(self.places(digest)?.first() != Some(place))
        };
        let mut news = Vec::new();
        for one in seen {
            if is_news(&one)? {
                news.push(one);
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        self.db.write(|tx| {
            for (digest, place) in news {
                if has_users(tx, digest)? {
                    put(tx, digest, place)?;
                }
            }
            Ok(())
        })
    }
}

fn put(tx: &WriteTx<'_>, digest: &Digest, place: &Place) -> Result<()> {
    let mut places = PLACES.get(tx, digest.as_str())?.unwrap_or_default();
    places.retain(|known| known != place);
    places.push(place.clone());
    let surplus = places.len().saturating_sub(MAX_PLACES);
    places.drain(..surplus);
    Ok(PLACES.put(tx, digest.as_str(), &places)?)
}

/// Forgets the places of those of `digests` that no image uses any more.
pub(crate) fn forget_unused(tx: &WriteTx<'_>, digests: &[Digest]) -> Result<()> {
    for digest in digests {
        if !has_users(tx, digest)? {
            PLACES.remove(tx, digest.as_str())?;
        }
    }
    Ok(())
}
