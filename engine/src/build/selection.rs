//! Which of what builds remember a prune takes away: by filters, and by how much of the disk may be taken.

use std::collections::{HashMap, HashSet};

use gantry_types::{Digest, Filters, Timestamp};

use super::usage::{Item, MOUNT, STEP, What};
use crate::Result;

/// What filters there are.
const FILTERS: [&str; 10] = [
    "id",
    "type",
    "until",
    "unused-for",
    "description",
    "inuse",
    "shared",
    "private",
    "mutable",
    "immutable",
];

/// What a prune may take away.
#[derive(Debug, Clone, Default)]
pub struct PruneOptions {
    /// What cache mounts hold, and what was fetched, too.
    pub all: bool,
    /// Only what fits these.
    pub filters: Filters,
    /// So many bytes may stay in any case.
    pub reserved_bytes: u64,
    /// More than so many bytes must not stay; 0 says nothing.
    pub max_used_bytes: u64,
    /// So many bytes of the disk are to be free in the end; 0 says nothing.
    pub min_free_bytes: u64,
}

impl PruneOptions {
    /// Whether it takes all that can go.
    pub(super) fn is_unlimited(&self) -> bool {
        self.filters.is_empty() && !self.has_limits()
    }

    fn has_limits(&self) -> bool {
        [self.reserved_bytes, self.max_used_bytes, self.min_free_bytes]
            .iter()
            .any(|bytes| *bytes > 0)
    }
}

/// Chooses, what was not needed for longest first. `free_bytes` is what the disk has left.
///
/// # Errors
/// A filter is unknown, or has no such value.
pub(super) fn choose(
    items: Vec<Item>,
    options: &PruneOptions,
    (now, free_bytes): (Timestamp, u64),
) -> Result<Vec<Item>> {
    let filters = &options.filters;
    filters.check_keys(&FILTERS)?;
    let until = [filters.moment("until", now)?, filters.moment("unused-for", now)?];
    let flags = ["inuse", "shared", "private", "mutable", "immutable"];
    let flags =
        flags.map(|name| if filters.get(name).is_some() { filters.flag(name) } else { Ok(None) });
    let [inuse, shared, private, mutable, immutable] = flags;
    let (inuse, shared, private) = (inuse?, shared?, private?);
    let (mutable, immutable) = (mutable?, immutable?);
    let is_meant = |item: &Item| {
        let record = &item.record;
        let is_mount = matches!(item.what, What::Mount { .. });
        let is_kind = match filters.get("type") {
            Some(kinds) => kinds.contains(record.r#type.as_str()),
            None => options.all || filters.get("id").is_some() || record.r#type == STEP,
        };
        is_kind
            && filters.allows("id", |wanted| is_called(item, wanted))
            && filters.allows("description", |wanted| record.description.contains(wanted.as_str()))
            && until.iter().flatten().all(|until| item.used <= *until)
            && inuse.is_none_or(|wanted| record.in_use == wanted)
            && shared.is_none_or(|wanted| record.shared == wanted)
            && private.is_none_or(|wanted| record.shared != wanted)
            && mutable.is_none_or(|wanted| is_mount == wanted)
            && immutable.is_none_or(|wanted| is_mount != wanted)
            // What a command has, stays.
            && !(is_mount && record.in_use)
    };
    let total = distinct(&items);
    let mut users = users(&items);
    let mut chosen: Vec<Item> = items.into_iter().filter(is_meant).collect();
    chosen.sort_by(|one, other| (one.used, &one.record.id).cmp(&(other.used, &other.record.id)));
    if !options.has_limits() {
        return Ok(chosen);
    }
    let mut limit = if options.max_used_bytes > 0 { options.max_used_bytes } else { u64::MAX };
    if options.min_free_bytes > 0 {
        limit = limit.min(total.saturating_sub(options.min_free_bytes.saturating_sub(free_bytes)));
    }
    if limit == u64::MAX {
        limit = 0;
    }
    let limit = limit.max(options.reserved_bytes);
    let mut left = total;
    chosen.retain(|item| {
        let is_over = left > limit;
        if is_over && is_last(item, &mut users) {
            left = left.saturating_sub(u64::try_from(item.record.size).unwrap_or_default());
        }
        is_over
    });
    Ok(chosen)
}

/// How many steps have each blob.
fn users(items: &[Item]) -> HashMap<Digest, usize> {
    let mut users = HashMap::new();
    for item in items {
        if let What::Step { blob: Some(blob), .. } = &item.what {
            *users.entry(blob.clone()).or_default() += 1;
        }
    }
    users
}

/// Whether what an item takes is free when it goes: its blob may be that of others.
fn is_last(item: &Item, users: &mut HashMap<Digest, usize>) -> bool {
    let What::Step { blob, .. } = &item.what else { return true };
    let Some(left) = blob.as_ref().and_then(|blob| users.get_mut(blob)) else { return false };
    *left = left.saturating_sub(1);
    *left == 0
}

/// The bytes of all, what several have once.
fn distinct(items: &[Item]) -> u64 {
    let mut seen = HashSet::new();
    let firsts = items.iter().filter(|item| match &item.what {
        What::Step { blob, .. } => blob.as_ref().is_some_and(|blob| seen.insert(blob)),
        What::Mount { .. } => true,
    });
    let sizes = firsts.map(|item| item.record.size);
    sizes.map(|size| u64::try_from(size).unwrap_or_default()).sum()
}

fn is_called(item: &Item, wanted: &str) -> bool {
    let by_id = wanted.len() >= 4 && item.record.id.starts_with(wanted);
    by_id
        || matches!(&item.what, What::Mount { id, .. } if id == wanted)
            && item.record.r#type == MOUNT
}

#[cfg(test)]
mod tests {
    use gantry_api::system::BuildCacheRecord;

    use super::*;

    fn item(id: &str, kind: &str, size: i64, used: i64) -> Item {
        let record = BuildCacheRecord {
            id: id.to_owned(),
            r#type: kind.to_owned(),
            size,
            ..BuildCacheRecord::default()
        };
        let what = if kind == MOUNT {
            What::Mount { name: id.to_owned(), id: format!("/{id}") }
        } else {
            let byte = u8::try_from(used).unwrap();
            let blob = Some(Digest::sha256([byte; 32]));
            What::Step { key: id.to_owned(), blob }
        };
        Item { record, what, used: Timestamp { seconds: used, nanos: 0 } }
    }

    #[track_caller]
    fn check(options: &PruneOptions, expected: &[&str]) {
        let items = vec![
            item("new1", STEP, 10, 30),
            item("old1", STEP, 20, 10),
            item("cache", MOUNT, 40, 20),
        ];
        let now = Timestamp { seconds: 40, nanos: 0 };
        let chosen = choose(items, options, (now, 5)).unwrap();
        let ids: Vec<&str> = chosen.iter().map(|item| item.record.id.as_str()).collect();
        assert_eq!(ids, expected, "{options:?}");
    }

    #[test]
    fn a_blob_that_two_steps_have_is_free_when_both_go() {
        let mut twin = item("twin", STEP, 20, 10);
        twin.used.seconds = 15;
        let items = vec![item("one1", STEP, 20, 10), twin, item("last", STEP, 20, 30)];
        let options = PruneOptions { all: true, max_used_bytes: 20, ..PruneOptions::default() };
        let chosen = choose(items, &options, (Timestamp { seconds: 40, nanos: 0 }, 0)).unwrap();
        let ids: Vec<&str> = chosen.iter().map(|item| item.record.id.as_str()).collect();
        assert_eq!(ids, ["one1", "twin"]);
    }

    #[test]
    fn filters_and_limits_say_what_goes() {
        let with = |key: &str, value: &str| {
            let mut options = PruneOptions::default();
            options.filters.insert(key, value);
            options
        };
        check(&PruneOptions::default(), &["old1", "new1"]);
        let all = PruneOptions { all: true, ..PruneOptions::default() };
        check(&all, &["old1", "cache", "new1"]);
        check(&with("type", MOUNT), &["cache"]);
        check(&with("id", "/cache"), &["cache"]);
        check(&with("until", "25s"), &["old1"]);
        // 70 bytes are there.
        check(&PruneOptions { reserved_bytes: 50, ..all.clone() }, &["old1"]);
        check(&PruneOptions { max_used_bytes: 49, ..all.clone() }, &["old1", "cache"]);
        check(&PruneOptions { max_used_bytes: 70, ..all.clone() }, &[]);
        check(&PruneOptions { min_free_bytes: 26, ..all.clone() }, &["old1", "cache"]);
        check(&PruneOptions { min_free_bytes: 100, reserved_bytes: 60, ..all }, &["old1"]);
        let most = u64::MAX;
        let all = PruneOptions { all: true, ..PruneOptions::default() };
        check(&PruneOptions { max_used_bytes: most, reserved_bytes: most, ..all.clone() }, &[]);
        check(&PruneOptions { min_free_bytes: most, ..all }, &["old1", "cache", "new1"]);
        let mut wrong = PruneOptions::default();
        wrong.filters.insert("colour", "red");
        assert!(choose(Vec::new(), &wrong, (Timestamp { seconds: 0, nanos: 0 }, 0)).is_err());
    }
}
