//! The records: images, their names, and which blobs they use; writing a loaded image into them.

use gantry_db::{Db, ReadTx, Schema, Table, WriteTx};
use gantry_oci::image::{Descriptor, ImageConfig};
use gantry_types::{Digest, ImageReference};
use serde::{Deserialize, Serialize};

use crate::places::forget_unused;
use crate::{Error, Image, ImageId, Images, Loaded, Result, siblings, startup};

/// No release has written anything older.
pub(crate) const SCHEMA: Schema = Schema { owner: "images", migrations: &[] };

/// By id.
pub(crate) const IMAGES: Table<ImageRow> = Table::new("images");
/// By full reference.
pub(crate) const TAGS: Table<ImageId> = Table::new("image-tags");
/// `<image id> <reference>`: the names of each image.
pub(crate) const NAMES: Table<()> = Table::new("image-names");
/// `<blob digest> <image id>`: the images that use each blob, and `builds` for layers that builds remember.
pub(crate) const BLOB_USERS: Table<()> = Table::new("image-blobs");

/// What is kept of an image. The blobs hold the documents; the row holds what is needed often.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ImageRow {
    pub(crate) config: ImageConfig,
    pub(crate) manifest: Descriptor,
    /// The index that it was chosen from.
    #[serde(default)]
    pub(crate) index: Option<Descriptor>,
    /// Manifest, configuration and layers, and what else came with them, each with its size.
    pub(crate) blobs: Vec<(Digest, u64)>,
    pub(crate) size_bytes: u64,
    /// While set, the blobs may still be in the page cache of that boot only.
    pub(crate) unsynced_boot: Option<String>,
}

/// What [`Images::record`] did.
#[derive(Debug)]
pub struct Recorded {
    /// The image, with all its names.
    pub image: Image,
    /// Names that led to another image before, and to which.
    pub moved: Vec<(ImageReference, ImageId)>,
}

impl Images {
    /// Makes a loaded image and its names known, in one transaction. `size_bytes` is what its
    /// extracted layers take on the disk.
    ///
    /// An image that is known already keeps its names and gains the new ones.
    pub fn record(&self, loaded: &Loaded, size_bytes: u64) -> Result<Recorded> {
        let boot = startup::boot_id()?;
        let (recorded, replaced) = self.db.write(|tx| {
            self.listed.forget();
            put(tx, loaded, size_bytes, boot)
        })?;
        self.sweep_all(&replaced);
        Ok(recorded)
    }

    /// [`Images::record`] for several images with their sizes, in one transaction: all of them
    /// become known, or none.
    pub fn record_all(&self, images: &[(&Loaded, u64)]) -> Result<Vec<Recorded>> {
        let boot = startup::boot_id()?;
        let (recorded, replaced) = self.db.write(|tx| {
            self.listed.forget();
            let mut recorded = Vec::with_capacity(images.len());
            let mut replaced = Vec::new();
            for (loaded, size_bytes) in images {
                let (one, blobs) = put(tx, loaded, *size_bytes, boot.clone())?;
                recorded.push(one);
                replaced.extend(blobs);
            }
            Ok::<_, Error>((recorded, replaced))
        })?;
        self.sweep_all(&replaced);
        Ok(recorded)
    }

    /// The layers of every image, the lowest first: what must not be collected.
    pub fn chains(&self) -> Result<Vec<Vec<Digest>>> {
        let rows = self.db.read(|tx| IMAGES.list(tx))?;
        Ok(rows.into_iter().map(|(_, row)| row.config.rootfs.diff_ids).collect())
    }

    /// Removes those of `digests` that nobody uses. A blob that cannot be removed now is not worth
    /// a failure: it goes when the store is opened again.
    pub(crate) fn sweep_all(&self, digests: &[Digest]) {
        for digest in digests {
            if let Err(error) = self.store.sweep(digest) {
                tracing::warn!(%digest, %error, "cannot remove a blob that nobody uses");
            }
        }
    }
}

/// Writes an image; also the blobs that an earlier record of it used.
fn put(
    tx: &WriteTx<'_>,
    loaded: &Loaded,
    size_bytes: u64,
    boot_id: String,
) -> Result<(Recorded, Vec<Digest>)> {
    let mut row = ImageRow {
        config: loaded.config.clone(),
        manifest: loaded.manifest.clone(),
        index: loaded.index.clone(),
        blobs: loaded.blobs.clone(),
        size_bytes,
        unsynced_boot: Some(boot_id),
    };
    if let Some(old) = IMAGES.get(tx, loaded.id.as_str())? {
        keep_index(&mut row, old);
    }
    let replaced = remove_blob_users(tx, &loaded.id)?;
    for (digest, _) in &row.blobs {
        BLOB_USERS.put(tx, &user_key(digest, &loaded.id), &())?;
    }
    IMAGES.put(tx, loaded.id.as_str(), &row)?;
    forget_unused(tx, &replaced)?;
    let mut moved = Vec::new();
    for reference in &loaded.references {
        let (joined, mut old) = siblings::join(tx, reference, (&loaded.id, &row))?;
        if !joined {
            old = set_name(tx, reference, &loaded.id)?;
        }
        moved.extend(old.map(|old| (reference.clone(), old)));
    }
    let image = to_image(tx, loaded.id.clone(), row)?;
    Ok((Recorded { image, moved }, replaced))
}

/// An image that comes in again without its index still has the one that it came with first.
fn keep_index(row: &mut ImageRow, old: ImageRow) {
    if row.index.is_some() || old.index.is_none() || old.manifest.digest != row.manifest.digest {
        return;
    }
    row.index = old.index;
    for (digest, size_bytes) in old.blobs {
        if !row.blobs.iter().any(|(known, _)| *known == digest) {
            row.blobs.push((digest, size_bytes));
        }
    }
}

/// The image with its names.
pub(crate) fn to_image(tx: &ReadTx<'_>, id: ImageId, row: ImageRow) -> Result<Image> {
    let references = references(tx, &id)?;
    let beside = siblings::names(tx, &id)?;
    let content_bytes = row.blobs.iter().map(|(_, size_bytes)| size_bytes).sum();
    let ImageRow { config, manifest, index, size_bytes, .. } = row;
    Ok(Image { id, references, beside, config, manifest, index, size_bytes, content_bytes })
}

/// The names of an image, in order.
pub(crate) fn references(tx: &ReadTx<'_>, id: &ImageId) -> Result<Vec<ImageReference>> {
    let prefix = format!("{id} ");
    let keys = NAMES.keys_with_prefix(tx, &prefix, usize::MAX)?;
    keys.iter().map(|key| Ok(key[prefix.len()..].parse()?)).collect()
}

/// Lets a name lead to `id` alone; the image to which it led before, if that was another one.
pub(crate) fn set_name(
    tx: &WriteTx<'_>,
    reference: &ImageReference,
    id: &ImageId,
) -> Result<Option<ImageId>> {
    let key = reference_key(reference);
    let old = remove_name(tx, reference)?;
    TAGS.put(tx, &key, id)?;
    NAMES.put(tx, &format!("{id} {key}"), &())?;
    Ok(old.filter(|old| old != id))
}

/// Removes a name with what it keeps; the image to which it led.
pub(crate) fn remove_name(tx: &WriteTx<'_>, reference: &ImageReference) -> Result<Option<ImageId>> {
    let key = reference_key(reference);
    siblings::clear(tx, &key)?;
    let Some(old) = TAGS.get(tx, &key)? else { return Ok(None) };
    TAGS.remove(tx, &key)?;
    NAMES.remove(tx, &format!("{old} {key}"))?;
    Ok(Some(old))
}

/// Removes an image that has no names any more; the blobs that it used.
pub(crate) fn remove_image(tx: &WriteTx<'_>, id: &ImageId) -> Result<Vec<Digest>> {
    let blobs = remove_blob_users(tx, id)?;
    forget_unused(tx, &blobs)?;
    IMAGES.remove(tx, id.as_str())?;
    Ok(blobs)
}

/// A reference as a key: with a digest, the tag says nothing.
pub(crate) fn reference_key(reference: &ImageReference) -> String {
    match reference.digest() {
        Some(digest) => format!("{}@{digest}", reference.repository()),
        None => reference.to_string(),
    }
}

/// Whether an image uses the blob.
pub(crate) fn has_users(tx: &ReadTx<'_>, digest: &Digest) -> Result<bool> {
    Ok(!BLOB_USERS.keys_with_prefix(tx, &format!("{digest} "), 1)?.is_empty())
}

/// An id out of our own records.
pub(crate) fn parse_id(key: &str) -> Result<ImageId> {
    key.parse().map_err(|source| Error::DamagedRecord { key: key.to_owned(), source })
}

fn remove_blob_users(tx: &WriteTx<'_>, id: &ImageId) -> Result<Vec<Digest>> {
    let Some(row) = IMAGES.get(tx, id.as_str())? else { return Ok(Vec::new()) };
    let digests: Vec<Digest> = row.blobs.into_iter().map(|(digest, _)| digest).collect();
    for digest in &digests {
        BLOB_USERS.remove(tx, &user_key(digest, id))?;
    }
    Ok(digests)
}

/// Who keeps the layers of builds.
pub(crate) const BUILDS: &str = "builds";

/// Notes that builds need a blob.
pub(crate) fn keep_for_builds(db: &Db, digest: &Digest) -> Result<()> {
    db.write(|tx| Ok(BLOB_USERS.put(tx, &format!("{digest} {BUILDS}"), &())?))
}

/// The blobs that builds need.
pub(crate) fn kept_for_builds(db: &Db) -> Result<Vec<Digest>> {
    let keys = db.read(|tx| BLOB_USERS.keys_with_prefix(tx, "", usize::MAX))?;
    let digests = keys.iter().filter_map(|key| key.strip_suffix(BUILDS)?.trim_end().parse().ok());
    Ok(digests.collect())
}

/// Notes that builds do not need them any more.
pub(crate) fn release_from_builds(db: &Db, digests: &[Digest]) -> Result<()> {
    db.write(|tx| {
        for digest in digests {
            BLOB_USERS.remove(tx, &format!("{digest} {BUILDS}"))?;
        }
        forget_unused(tx, digests)
    })
}

fn user_key(digest: &Digest, id: &ImageId) -> String {
    format!("{digest} {id}")
}
