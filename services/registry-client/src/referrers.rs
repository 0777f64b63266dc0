//! Referrers: the manifests that say something about another one, such as signatures (distribution-spec 1.1, "Listing
//! Referrers").

use gantry_oci::image::{Descriptor, Index};
use gantry_types::Digest;
use ureq::http::Method;

use crate::repository::{Call, Target};
use crate::tags::following;
use crate::{Error, Repository, Result};

/// Pages of one list: a manifest with more referrers is no use to anybody.
const MAX_PAGES: usize = 16;

/// The type of an artifact's empty configuration, which some clients give where the artifact's own belongs.
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// What registries without this part of the API answer.
const UNKNOWN_ROUTE: [u16; 4] = [400, 404, 405, 501];

impl Repository {
    /// The manifests of this type that refer to `digest`, and those whose type the list does not tell, in the registry's
    /// order. A registry that has no such list may have one under a tag, where clients keep it themselves ("Referrers Tag
    /// Schema").
    pub fn referrers(&self, digest: &Digest, artifact_type: &str) -> Result<Vec<Descriptor>> {
        let path = format!("referrers/{digest}?artifactType={}", escaped(artifact_type));
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut call = Call::new(Method::GET, &path);
            if let Some(url) = &next {
                call.target = Target::Url(url);
            }
            let answer = self.send(&call)?;
            if next.is_none() && UNKNOWN_ROUTE.contains(&answer.status()) {
                found = self.referrers_by_tag(digest)?;
                break;
            }
            if !answer.is_success() {
                return Err(self.refusal(answer));
            }
            next = answer.header("link").and_then(|link| following(&answer.url, link));
            found.extend(answer.json::<Index>()?.manifests);
            if next.is_none() {
                break;
            }
        }
        // Registries need not filter; lists that clients keep themselves do not always tell the type.
        found.retain(|referrer| match referrer.artifact_type.as_deref() {
            Some(kind) => kind == artifact_type || kind == EMPTY_TYPE,
            None => true,
        });
        Ok(found)
    }

    fn referrers_by_tag(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        let tag = format!("{}-{}", digest.algorithm().as_str(), digest.hex());
        // A tag has 128 characters at most: the specification cuts the digits off there.
        let tag: String = tag.chars().take(128).collect();
        match self.manifest(&tag) {
            Ok(document) => {
                let index = serde_json::from_slice::<Index>(&document.bytes);
                let failed = |error| Error::unusable(&tag, format!("it is no index: {error}"));
                Ok(index.map_err(failed)?.manifests)
            }
            Err(Error::NoManifest { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// A media type in a query.
fn escaped(media_type: &str) -> String {
    media_type.replace('%', "%25").replace('+', "%2B").replace('/', "%2F")
}
