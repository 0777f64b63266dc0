//! What a registry has under a name, and which names it has: nothing is brought in.

use std::sync::Arc;

use gantry_api::image::{DistributionDocument, DistributionInspect, SearchResult};
use gantry_oci::image::{Descriptor, ImageConfig, Index, Manifest, media_type};
use gantry_registry_client::{Access, Client, Credentials, Document, Repository};
use gantry_types::{Filters, ImageReference};
use serde_json::{Value, json};

use super::intake::intake;
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// Manifests of one index that are fetched for their text.
pub(super) const MAX_DOCUMENTS: usize = 100;

/// The most results of one search.
const MAX_RESULTS: u32 = 100;

/// What to look at.
#[derive(Debug, Clone)]
pub struct DistributionRequest {
    /// The image, with a tag or a digest.
    pub reference: ImageReference,
    /// Whether the documents' texts are wanted as well.
    pub documents: bool,
    /// For the registry.
    pub credentials: Option<Credentials>,
    /// The registry may be spoken to as those in `insecure-registries` are.
    pub is_insecure: bool,
}

/// Where a name leads in its registry, and for which platforms.
pub async fn distribution(
    engine: &Engine,
    request: DistributionRequest,
) -> Result<DistributionInspect> {
    let DistributionRequest { reference, documents, credentials, is_insecure } = request;
    let registries = registries(engine, &reference, is_insecure);
    let repository = registries.repository(&reference, credentials, Access::Pull);
    intake(move || {
        let wanted = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or("latest").to_owned(),
        };
        let document = repository.manifest(&wanted)?;
        inspect(&repository, &document, documents)
    })
    .await
}

fn inspect(
    repository: &Repository,
    document: &Document,
    documents: bool,
) -> Result<DistributionInspect> {
    let name = document.digest.as_str();
    let mut descriptor =
        Descriptor::new(&document.media_type, document.digest.clone(), document.bytes.len() as u64);
    let is_index = media_type::is_index(&document.media_type);
    let entries = if is_index { parse::<Index>(&document.bytes, name)?.manifests } else { vec![] };
    let mut platforms: Vec<Value> =
        entries.iter().filter_map(|entry| entry.platform.as_ref()).map(|own| json!(own)).collect();
    if !is_index {
        let manifest: Manifest = parse(&document.bytes, name)?;
        if media_type::is_config(&manifest.config.media_type) {
            let config = repository.document_blob(&manifest.config.digest, manifest.config.size)?;
            let config: ImageConfig = parse(&config, manifest.config.digest.as_str())?;
            descriptor.platform = Some(config.platform.clone());
            platforms.push(json!(config.platform));
        }
    }
    let mut inspected = DistributionInspect {
        descriptor: json!(Descriptor { platform: None, ..descriptor.clone() }),
        platforms,
        documents: Vec::new(),
    };
    if documents {
        inspected.documents.push(text(&descriptor, document));
        for entry in entries.iter().take(MAX_DOCUMENTS) {
            let listed = repository.manifest(entry.digest.as_str())?;
            inspected.documents.push(text(entry, &listed));
        }
    }
    Ok(inspected)
}

fn text(descriptor: &Descriptor, document: &Document) -> DistributionDocument {
    let raw = String::from_utf8_lossy(&document.bytes).into_owned();
    DistributionDocument { descriptor: json!(descriptor), raw }
}

/// The way to the registry of a reference.
pub(super) fn registries(
    engine: &Engine,
    reference: &ImageReference,
    is_insecure: bool,
) -> Arc<Client> {
    let registries = engine.live.registries();
    if is_insecure { registries.trusting(reference.domain()) } else { registries }
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T> {
    let invalid = |error| Error::invalid(format!("{name} is no usable document: {error}"));
    serde_json::from_slice(bytes).map_err(invalid)
}

/// What to search for.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// Words, with a registry and a slash before them where it is not Docker Hub.
    pub term: String,
    /// How many results, 1 to 100; as many as the registry likes by default.
    pub limit: Option<u32>,
    /// `is-official`, `is-automated` and `stars`.
    pub filters: Filters,
    /// For the registry.
    pub credentials: Option<Credentials>,
}

/// Repositories that a registry finds.
pub async fn search(engine: &Engine, request: SearchRequest) -> Result<Vec<SearchResult>> {
    let SearchRequest { term, limit, filters, credentials } = request;
    if limit.is_some_and(|limit| limit == 0 || limit > MAX_RESULTS) {
        return Err(Error::invalid(format!(
            "limit {} is outside the range of [1, {MAX_RESULTS}]",
            limit.unwrap_or_default()
        )));
    }
    let wanted = Wanted::read(&filters)?;
    let (domain, words) = domain_of(&term);
    if words.is_empty() {
        return Err(Error::invalid("no search term: say what to look for"));
    }
    let (client, domain, words) = (engine.live.registries(), domain.to_owned(), words.to_owned());
    let found =
        intake(move || Ok(client.search(&domain, &words, limit, credentials.as_ref())?)).await?;
    let results = found.into_iter().map(|found| SearchResult {
        star_count: found.star_count,
        is_official: found.is_official,
        name: found.name,
        is_automated: found.is_automated,
        description: found.description.unwrap_or_default(),
    });
    Ok(results.filter(|result| wanted.has(result)).collect())
}

/// A registry before the first slash, as in references; else Docker Hub.
fn domain_of(term: &str) -> (&str, &str) {
    match term.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", term),
    }
}

#[derive(Debug, Default)]
struct Wanted {
    official: Option<bool>,
    automated: Option<bool>,
    stars: i64,
}

impl Wanted {
    fn read(filters: &Filters) -> Result<Self> {
        filters.check_keys(&["is-official", "is-automated", "stars"])?;
        let mut wanted = Self {
            official: filters.flag("is-official")?,
            automated: filters.flag("is-automated")?,
            stars: 0,
        };
        for text in filters.get("stars").into_iter().flatten() {
            let stars: i64 = text
                .parse()
                .map_err(|_| Error::invalid(format!("invalid filter 'stars={text}'")))?;
            wanted.stars = wanted.stars.max(stars);
        }
        Ok(wanted)
    }

    fn has(&self, result: &SearchResult) -> bool {
        self.official.is_none_or(|wanted| wanted == result.is_official)
            && self.automated.is_none_or(|wanted| wanted == result.is_automated)
            && result.star_count >= self.stars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_search() {
        for (term, expected) in [
            ("nginx", ("docker.io", "nginx")),
            ("library/nginx", ("docker.io", "library/nginx")),
            ("r.example/nginx", ("r.example", "nginx")),
            ("localhost:5000/a/b", ("localhost:5000", "a/b")),
        ] {
            assert_eq!(domain_of(term), expected, "{term}");
        }
    }
}
