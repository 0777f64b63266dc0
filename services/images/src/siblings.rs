//! Images of one index under one name, each for another platform. A name leads to one of them and keeps the others beside
//! it: to the one for this machine, or where none is for it, to the one that came last.

use std::collections::HashSet;

use gantry_db::{ReadTx, Table, WriteTx};
use gantry_oci::image::Platform;
use gantry_types::{Fault, ImageReference};

use crate::load::platform::{host_platform, rank};
use crate::record::{self, IMAGES, ImageRow, NAMES, TAGS, reference_key};
use crate::{Image, ImageId, Images, Result};

/// `<reference> <image id>`: what a name keeps beside the image that it leads to.
const SIBLINGS: Table<()> = Table::new("image-siblings");
/// `<image id> <reference>`: the same, to be found by the image.
const SIBLING_NAMES: Table<()> = Table::new("image-sibling-names");

impl Images {
    /// What `text` means, for every platform that is here: first what [`Images::resolve`] gives, then what the same
    /// names keep beside it.
    ///
    /// # Errors
    /// Those of [`Images::resolve`].
    pub fn resolve_all(&self, text: &str) -> Result<Vec<Image>> {
        let first = self.resolve(text)?;
        self.db.read(|tx| {
            let named = text.parse::<ImageReference>().ok().map(|name| reference_key(&name));
            let named = match named {
                Some(key) if TAGS.contains(tx, &key)? => Some(key),
                _ => None,
            };
            let ids = match named {
                Some(key) => beside(tx, &key)?,
                None => companions(tx, &first.id)?,
            };
            let mut images = vec![first];
            for id in ids {
                if let Some(row) = IMAGES.get(tx, id.as_str())? {
                    images.push(record::to_image(tx, id, row)?);
                }
            }
            Ok(images)
        })
    }
}

/// The images that a name keeps beside the one that it leads to.
pub(crate) fn beside(tx: &ReadTx<'_>, key: &str) -> Result<Vec<ImageId>> {
    let prefix = format!("{key} ");
    let keys = SIBLINGS.keys_with_prefix(tx, &prefix, usize::MAX)?;
    keys.iter().map(|key| record::parse_id(&key[prefix.len()..])).collect()
}

/// The images that the names of `id` keep beside it.
pub(crate) fn companions(tx: &ReadTx<'_>, id: &ImageId) -> Result<Vec<ImageId>> {
    let mut found = Vec::new();
    for name in record::references(tx, id)? {
        for sibling in beside(tx, &reference_key(&name))? {
            if !found.contains(&sibling) {
                found.push(sibling);
            }
        }
    }
    Ok(found)
}

/// The names that keep an image beside the one that they lead to, in order.
pub(crate) fn names(tx: &ReadTx<'_>, id: &ImageId) -> Result<Vec<ImageReference>> {
    let prefix = format!("{id} ");
    let keys = SIBLING_NAMES.keys_with_prefix(tx, &prefix, usize::MAX)?;
    keys.iter().map(|key| Ok(key[prefix.len()..].parse()?)).collect()
}

/// Lets a name keep `id` beside the image that it leads to.
pub(crate) fn add(tx: &WriteTx<'_>, key: &str, id: &ImageId) -> Result<()> {
    SIBLINGS.put(tx, &format!("{key} {id}"), &())?;
    Ok(SIBLING_NAMES.put(tx, &format!("{id} {key}"), &())?)
}

/// Takes everything away that a name keeps beside its image; what that was.
pub(crate) fn clear(tx: &WriteTx<'_>, key: &str) -> Result<Vec<ImageId>> {
    let ids = beside(tx, key)?;
    for id in &ids {
        SIBLINGS.remove(tx, &format!("{key} {id}"))?;
        SIBLING_NAMES.remove(tx, &format!("{id} {key}"))?;
    }
    Ok(ids)
}

/// Gives a name to one more image of the index that the name's images come from. An image for the same platform makes
/// room for it. Whether this is such a name; the image that it led to before and does not keep, if there is one.
pub(crate) fn join(
    tx: &WriteTx<'_>,
    reference: &ImageReference,
    (id, row): (&ImageId, &ImageRow),
) -> Result<(bool, Option<ImageId>)> {
    let key = reference_key(reference);
    let (Some(index), Some(first)) = (&row.index, TAGS.get(tx, &key)?) else {
        return Ok((false, None));
    };
    let mut members = beside(tx, &key)?;
    members.insert(0, first.clone());
    // An image that is in several indexes remembers one of them; what the name by digest has is in this one, too.
    let by_digest = format!("{}@{}", reference.repository(), index.digest);
    let mut listed = beside(tx, &by_digest)?;
    listed.extend(TAGS.get(tx, &by_digest)?);
    let mut family = Vec::with_capacity(members.len());
    for member in members {
        let Some(other) = IMAGES.get(tx, member.as_str())? else { continue };
        let is_same = other.index.is_some_and(|other| other.digest == index.digest);
        if is_same || listed.contains(&member) {
            family.push((member, other.config.platform));
        }
    }
    if family.is_empty() {
        return Ok((false, None));
    }
    let own = &row.config.platform;
    family.retain(|(member, platform)| member != id && !is_for_the_same(platform, own));
    // The last one comes first: of several that fit equally well, it is chosen.
    family.insert(0, (id.clone(), own.clone()));
    let replaced = (!family.iter().any(|(member, _)| *member == first)).then_some(first);
    lead(tx, reference, &family)?;
    Ok((true, replaced))
}

/// Takes an image out of all names: those that led to it lead to what they kept beside it, and go where that is nothing.
/// Which went.
pub(crate) fn leave(tx: &WriteTx<'_>, id: &ImageId) -> Result<Vec<ImageReference>> {
    let mut gone = Vec::new();
    for reference in record::references(tx, id)? {
        let mut family = Vec::new();
        for member in beside(tx, &reference_key(&reference))? {
            if let Some(row) = IMAGES.get(tx, member.as_str())? {
                family.push((member, row.config.platform));
            }
        }
        lead(tx, &reference, &family)?;
        if family.is_empty() {
            gone.push(reference);
        }
    }
    for reference in names(tx, id)? {
        let key = reference_key(&reference);
        SIBLINGS.remove(tx, &format!("{key} {id}"))?;
        SIBLING_NAMES.remove(tx, &format!("{id} {key}"))?;
    }
    Ok(gone)
}

/// Lets a name lead to the best of these images, and keep the others.
fn lead(
    tx: &WriteTx<'_>,
    reference: &ImageReference,
    family: &[(ImageId, Platform)],
) -> Result<()> {
    let (host, key) = (host_platform(), reference_key(reference));
    record::remove_name(tx, reference)?;
    let best = family.iter().min_by_key(|(_, own)| rank(own, &host).unwrap_or(u8::MAX));
    let Some((first, _)) = best else { return Ok(()) };
    TAGS.put(tx, &key, first)?;
    NAMES.put(tx, &format!("{first} {key}"), &())?;
    for (member, _) in family.iter().filter(|(member, _)| member != first) {
        add(tx, &key, member)?;
    }
    Ok(())
}

fn is_for_the_same(one: &Platform, other: &Platform) -> bool {
    one.os == other.os && one.architecture == other.architecture && one.variant == other.variant
}

/// What is wrong with the records of this file.
pub(crate) fn faults(tx: &ReadTx<'_>) -> Result<Vec<Fault>> {
    let all = usize::MAX;
    let ids: HashSet<String> = IMAGES.keys_with_prefix(tx, "", all)?.into_iter().collect();
    let tags: HashSet<String> = TAGS.keys_with_prefix(tx, "", all)?.into_iter().collect();
    let mut left: HashSet<String> =
        SIBLING_NAMES.keys_with_prefix(tx, "", all)?.into_iter().collect();
    let mut faults = Vec::new();
    let remedy = "pull or load the image again";
    for record in SIBLINGS.keys_with_prefix(tx, "", all)? {
        let (name, id) = record.split_once(' ').unwrap_or((&record, ""));
        let mut tell = |problem: String| {
            faults.push(Fault::damage(format!("name {name}"), problem, remedy));
        };
        if !tags.contains(name) {
            tell(format!("keeps {id} for another platform, and leads to no image itself"));
        }
        if !ids.contains(id) {
            tell(format!("keeps {id} for another platform, which is not there"));
        }
        if !left.remove(&format!("{id} {name}")) {
            tell(format!("keeps {id} for another platform, which does not know of it"));
        }
    }
    let unknown = left.into_iter().map(|record| {
        let problem = "an image has a name that does not keep it";
        Fault::damage(format!("record {record:?}"), problem, remedy)
    });
    faults.extend(unknown);
    Ok(faults)
}
