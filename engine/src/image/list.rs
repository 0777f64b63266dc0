//! `list`: one row per image, newest first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gantry_api::image::ImageSummary;
use gantry_images::Image;
use gantry_types::{Filters, ImageReference, Timestamp};

use super::{Sharing, Users, manifests};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

/// Longer than any name with a tag and a digest: what is longer fits nothing, and takes time for each name.
const MAX_PATTERN_BYTES: usize = 1024;

const FILTERS: [&str; 7] = ["dangling", "label", "label!", "reference", "before", "since", "until"];

/// Which images, and how much of each.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the request has as many switches")]
pub struct ListOptions {
    /// Count the containers of each.
    pub containers: bool,
    /// Count what images share.
    pub shared_size: bool,
    /// Tell what is here for which platform.
    pub manifests: bool,
    /// Tell where each of those is from.
    pub identity: bool,
    pub filters: Filters,
}

impl ListOptions {
    /// Whether all images are wanted, with nothing but what every list tells: as long as nothing changes, the answer is
    /// the same list.
    pub fn wants_all(&self) -> bool {
        !self.shared_size && !self.manifests && !self.identity && self.filters.is_empty()
    }
}

/// The rows of all images, and the images and containers that they tell of. People and their tools ask for them all the time, and
/// mostly nothing has changed since.
#[derive(Debug, Default)]
pub(crate) struct Rows(Mutex<Option<Told>>);

#[derive(Debug)]
struct Told {
    images: Arc<[Image]>,
    users: Option<Users>,
    rows: Arc<[ImageSummary]>,
}

impl Rows {
    /// The rows of these images, newest first.
    fn of(&self, images: &Arc<[Image]>, users: Option<Users>) -> Arc<[ImageSummary]> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = &*known
            && Arc::ptr_eq(&told.images, images)
            && told.users == users
        {
            return Arc::clone(&told.rows);
        }
        let families = Families::of(images);
        let row = |image| ImageSummary {
            containers: users.as_ref().map_or(-1, |users| families.containers(image, users)),
            ..summary(image)
        };
        let rows: Arc<[ImageSummary]> = newest_first(images).into_iter().map(row).collect();
        *known = Some(Told { images: Arc::clone(images), users, rows: Arc::clone(&rows) });
        rows
    }
}

/// What names keep for other platforms, by name.
pub(crate) struct Families<'a>(HashMap<&'a ImageReference, Vec<&'a Image>>);

impl<'a> Families<'a> {
    pub(crate) fn of(images: &'a [Image]) -> Self {
        let mut families: HashMap<_, Vec<_>> = HashMap::new();
        for image in images {
            for name in &image.beside {
                families.entry(name).or_default().push(image);
            }
        }
        Self(families)
    }

    /// The image, and what its names keep beside it.
    fn members(&self, image: &'a Image) -> Vec<&'a Image> {
        let mut members = vec![image];
        for sibling in image.references.iter().filter_map(|name| self.0.get(name)).flatten() {
            if !members.iter().any(|known| known.id == sibling.id) {
                members.push(sibling);
            }
        }
        members
    }

    /// How many containers there are of the image, for whatever platform.
    pub(crate) fn containers(&self, image: &'a Image, users: &Users) -> i64 {
        self.members(image).into_iter().map(|image| users.count(image)).sum()
    }
}

/// Without what is only there for another platform: the row of its name tells of that.
fn newest_first(images: &[Image]) -> Vec<&Image> {
    let mut sorted: Vec<&Image> = images.iter().filter(|image| !image.is_sibling()).collect();
    sorted.sort_by_cached_key(|image| std::cmp::Reverse(image.created()));
    sorted
}

/// Lists images.
pub async fn list(engine: &Engine, options: ListOptions) -> Result<Arc<[ImageSummary]>> {
    options.filters.check_keys(&FILTERS)?;
    for pattern in options.filters.get("reference").into_iter().flatten() {
        if pattern.len() > MAX_PATTERN_BYTES {
            let reason = format!(
                "the filter 'reference' has a pattern of more than {MAX_PATTERN_BYTES} bytes"
            );
            return Err(Error::invalid(reason));
        }
    }
    let dangling = options.filters.flag("dangling")?;
    let until = options.filters.moment("until", gantry_sys::clock::now())?;
    if options.wants_all()
        && let Some(all) = engine.images.listed()
    {
        let users = options.containers.then(|| Users::of(engine));
        return Ok(engine.image_rows.of(&all, users));
    }
    let engine = engine.clone();
    block(move || {
        let filters = &options.filters;
        let all = engine.images.list()?;
        let (containers, manifests) = (options.containers, options.manifests || options.identity);
        let users = (containers || manifests).then(|| Users::of(&engine));
        if options.wants_all() {
            return Ok(engine.image_rows.of(&all, users));
        }
        let mut images = newest_first(&all);
        let sharing = options.shared_size.then(|| Sharing::of(&engine, &all)).transpose()?;
        let bounds = Bounds {
            before: Bounds::named(&engine, filters, "before")?,
            since: Bounds::named(&engine, filters, "since")?,
            until,
        };
        images.retain(|image| {
            dangling.is_none_or(|dangling| is_dangling(image) == dangling)
                && bounds.hold(image)
                && filters.allows_labels(&image.config.config.labels)
                && filters.allows("reference", |pattern| {
                    image.references.iter().any(|name| is_match(name, pattern))
                })
        });
        let families = Families::of(&all);
        let row = |image: &Image| {
            let mut row = row(image, filters, sharing.as_ref());
            if let Some(users) = &users {
                row.containers = families.containers(image, users);
                if manifests {
                    let members = families.members(image);
                    row.manifests = manifests::of(&engine, &members, users, options.identity);
                }
            }
            row
        };
        Ok(images.into_iter().map(row).collect())
    })
    .await
}

/// Whether no tag leads to it; a digest from a registry does not count.
fn is_dangling(image: &Image) -> bool {
    image.repo_tags().is_empty()
}

/// Moments between which an image must have been made. One that does not say when is in no bounds.
struct Bounds {
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Bounds {
    /// When the image was made that a filter names.
    fn named(engine: &Engine, filters: &Filters, key: &str) -> Result<Option<Timestamp>> {
        let named = filters.get(key).and_then(|values| values.iter().next());
        let image = named.map(|text| engine.images.resolve(text)).transpose()?;
        Ok(image.and_then(|image| image.created()))
    }

    fn hold(&self, image: &Image) -> bool {
        let is = |bound: Option<Timestamp>, fits: fn(Timestamp, Timestamp) -> bool| {
            bound.is_none_or(|bound| image.created().is_some_and(|created| fits(created, bound)))
        };
        is(self.before, |created, bound| created < bound)
            && is(self.since, |created, bound| created > bound)
            && is(self.until, |created, bound| created <= bound)
    }
}

/// Whether a name fits a pattern with `*`, `?` and `[…]` in it; a pattern without a tag fits every tag.
fn is_match(name: &ImageReference, pattern: &str) -> bool {
    let names = [name.familiar(), name.familiar_repository(), name.to_string(), name.repository()];
    names.iter().any(|name| glob(pattern.as_bytes(), name.as_bytes()))
}

/// As in a shell, `*` and `?` stop at slashes.
fn glob(mut pattern: &[u8], mut text: &[u8]) -> bool {
    // What follows the last star, and what is left of the text when that star takes one byte more. Earlier stars need
    // no second try: whatever they could take besides, the last one takes too, and no star takes a slash.
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix(b"*") {
            (pattern, again) = (rest, Some((rest, text)));
            continue;
        }
        if pattern.is_empty() && text.is_empty() {
            return true;
        }
        if let (Some(rest), Some((_, tail))) = (step(pattern, text), text.split_first()) {
            (pattern, text) = (rest, tail);
            continue;
        }
        match again {
            Some((after, [taken, tail @ ..])) if *taken != b'/' => {
                (pattern, text, again) = (after, tail, Some((after, tail)));
            }
            _ => return false,
        }
    }
}

/// What is left of a pattern whose first part, which is no star, fits the first byte of a text.
fn step<'a>(pattern: &'a [u8], text: &[u8]) -> Option<&'a [u8]> {
    let ((wanted, rest), (byte, _)) = (pattern.split_first()?, text.split_first()?);
    match wanted {
        b'?' => (*byte != b'/').then_some(rest),
        b'[' => {
            let (fits, rest) = class(rest, *byte)?;
            (fits && *byte != b'/').then_some(rest)
        }
        _ => (wanted == byte).then_some(rest),
    }
}

/// Whether a byte is in a class such as `a-z]` or `^0-9]`, and what follows the class; none when it does not end.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (is_negated, mut rest) = match pattern.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let mut fits = false;
    loop {
        match rest {
            [b']', rest @ ..] => return Some((fits != is_negated, rest)),
            [low, b'-', high, after @ ..] if *high != b']' => {
                fits |= (*low..=*high).contains(&byte);
                rest = after;
            }
            [one, after @ ..] => {
                fits |= *one == byte;
                rest = after;
            }
            [] => return None,
        }
    }
}

fn row(image: &Image, filters: &Filters, sharing: Option<&Sharing>) -> ImageSummary {
    let mut row = summary(image);
    if let Some(patterns) = filters.get("reference") {
        let fits = |name: &String| {
            let name: Option<ImageReference> = name.parse().ok();
            name.is_some_and(|name| patterns.iter().any(|pattern| is_match(&name, pattern)))
        };
        row.repo_tags.retain(fits);
        row.repo_digests.retain(fits);
    }
    if let Some(sharing) = sharing {
        row.shared_size = sharing.shared_bytes(image);
    }
    row
}

/// A row in which nothing is counted.
pub(crate) fn summary(image: &Image) -> ImageSummary {
    ImageSummary {
        containers: -1,
        created: image.created().map_or(0, |moment| moment.seconds),
        id: image.id.to_string(),
        labels: image.config.config.labels.clone(),
        repo_digests: image.repo_digests(),
        repo_tags: image.repo_tags(),
        shared_size: -1,
        descriptor: Some(manifests::target(image)),
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
        for pattern in [
            "registry.example/team/app",
            "registry.example/*/app:1.?",
            "registry.example/team/*",
            "registry.example/team/[a-c]pp:[^3-9].[12]",
            "*/*/*:*",
            "r*e*e*/t*m/**a*p*:*2",
        ] {
            assert!(is_match(&name, pattern), "{pattern}");
        }
        for pattern in [
            "*",
            "app",
            "registry.example/*",
            "registry.example/team/app:2*",
            "registry.example/team/[b-z]pp",
            "registry.example/team/[^a]pp",
            "registry.example/team/[ap",
            "registry*app:1.2",
            "*/team*app",
        ] {
            assert!(!is_match(&name, pattern), "{pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let name: ImageReference = format!("r.example/{}", "a".repeat(200)).parse().unwrap();
        let pattern = format!("r.example/{}b", "a*".repeat(100));
        let begun = std::time::Instant::now();
        assert!(!is_match(&name, &pattern));
        // Tried in every way, these stars outlast the universe.
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    }
}
