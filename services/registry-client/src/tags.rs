//! The tags of a repository.

use serde::Deserialize;
use ureq::http::Method;

use crate::repository::{Call, Target};
use crate::upload::absolute;
use crate::{Error, Repository, Result};

/// Pages of one list; with 100 names each, more than any repository has.
const MAX_PAGES: usize = 1000;

#[derive(Deserialize)]
struct Page {
    /// Some registries say null for none.
    tags: Option<Vec<String>>,
}

impl Repository {
    /// All tags, in the registry's order.
    pub fn tags(&self) -> Result<Vec<String>> {
        let mut tags = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut call = Call::new(Method::GET, "tags/list?n=100");
            if let Some(url) = &next {
                call.target = Target::Url(url);
            }
            let answer = self.send(&call)?;
            if !answer.is_success() {
                return Err(self.refusal(answer));
            }
            let following = answer.header("link").and_then(|link| following(&answer.url, link));
            tags.extend(answer.json::<Page>()?.tags.unwrap_or_default());
            match following {
                Some(url) => next = Some(url),
                None => return Ok(tags),
            }
        }
        Err(Error::unusable(
            self.reference.path(),
            format!("its list of tags has over {MAX_PAGES} pages"),
        ))
    }
}

/// The next page (RFC 8288: `<url>; rel="next"`).
pub(crate) fn following(current: &str, link: &str) -> Option<String> {
    let target = link.split_once('<')?.1.split_once('>')?.0;
    Some(absolute(current, target))
}
