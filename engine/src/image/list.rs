//! `list`: one row per image, newest first.

use gantry_api::image::ImageSummary;
use gantry_images::Image;
use gantry_types::{Filters, ImageReference};

use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

const FILTERS: [&str; 5] = ["dangling", "label", "reference", "before", "since"];

/// Lists images.
pub async fn list(engine: &Engine, filters: Filters) -> Result<Vec<ImageSummary>> {
    filters.check_keys(&FILTERS).map_err(|error| Error::invalid(error.to_string()))?;
    let engine = engine.clone();
    block(move || {
        let mut images = engine.images.list()?;
        images.sort_by_key(|image| std::cmp::Reverse(image.created()));
        let bound = |key: &str| -> Result<Option<Image>> {
            let named = filters.get(key).and_then(|values| values.iter().next());
            named.map(|text| Ok(engine.images.resolve(text)?)).transpose()
        };
        let (before, since) = (bound("before")?, bound("since")?);
        images.retain(|image| {
            before.as_ref().is_none_or(|bound| image.created() < bound.created())
                && since.as_ref().is_none_or(|bound| image.created() > bound.created())
                && matches(image, &filters)
        });
        Ok(images.iter().map(|image| row(image, &filters)).collect())
    })
    .await
}

fn matches(image: &Image, filters: &Filters) -> bool {
    let labels = &image.config.config.labels;
    let has_label = |wanted: &String| match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|own| own == value),
        None => labels.contains_key(wanted),
    };
    filters.get("label").is_none_or(|wanted| wanted.iter().all(has_label))
        && filters
            .allows("dangling", |text| image.is_dangling() == matches!(text.as_str(), "true" | "1"))
        && filters.allows("reference", |pattern| {
            image.references.iter().any(|name| is_match(name, pattern))
        })
}

/// Whether a name fits a pattern with `*` and `?` in it; a pattern without a tag fits every tag.
fn is_match(name: &ImageReference, pattern: &str) -> bool {
    let names = [name.familiar(), name.familiar_repository(), name.to_string(), name.repository()];
    names.iter().any(|name| glob(pattern.as_bytes(), name.as_bytes()))
}

/// As in a shell, `*` and `?` stop at slashes.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if glob(rest, text) => true,
        (Some((b'*', _)), Some((byte, tail))) => *byte != b'/' && glob(pattern, tail),
        (Some((b'?', rest)), Some((byte, tail))) => *byte != b'/' && glob(rest, tail),
        (Some((wanted, rest)), Some((byte, tail))) => wanted == byte && glob(rest, tail),
        _ => false,
    }
}

fn row(image: &Image, filters: &Filters) -> ImageSummary {
    let mut repo_tags = image.repo_tags();
    if let Some(patterns) = filters.get("reference") {
        let fits = |tag: &String| {
            let name: Option<ImageReference> = tag.parse().ok();
            name.is_some_and(|name| patterns.iter().any(|pattern| is_match(&name, pattern)))
        };
        repo_tags.retain(fits);
    }
    ImageSummary {
        containers: -1,
        created: image.created().map_or(0, |moment| moment.seconds),
        id: image.id.to_string(),
        labels: image.config.config.labels.clone(),
        repo_digests: image.repo_digests(),
        repo_tags,
        shared_size: -1,
        size: i64::try_from(image.size_bytes).unwrap_or(i64::MAX),
        ..ImageSummary::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        let name: ImageReference = "registry.example/team/app:1.2".parse().unwrap();
        for pattern in
            ["registry.example/team/app", "registry.example/*/app:1.?", "registry.example/team/*"]
        {
            assert!(is_match(&name, pattern), "{pattern}");
        }
        for pattern in ["*", "app", "registry.example/*", "registry.example/team/app:2*"] {
            assert!(!is_match(&name, pattern), "{pattern}");
        }
    }
}
