//! Examining the store: records against each other, records against blobs, blobs against their digests. It changes nothing.
//!
//! Others go on working meanwhile: what they are in the middle of may look like a fault for a moment. Whoever asks looks twice.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use gantry_db::{ReadTx, Table};
use gantry_oci::image::Manifest;
use gantry_types::{Digest, Fault, ImageReference, error_chain};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::blobs::PREFIX;
use crate::elsewhere::Blob;
use crate::record::{BLOB_USERS, BUILDS, IMAGES, ImageRow, NAMES, TAGS};
use crate::startup::{all_blobs, digest_of, entries};
use crate::{Error, ImageId, Images, Result};

const GET_AGAIN: &str = "pull or load the image again";
const LAYER: &str =
    "its layer is damaged: remove the images that have it, then pull or load them again";
const RESTART: &str = "it goes when the daemon is started again";
const RECORDS: &str = "remove the image and pull or load it again";

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Images with a record.
    pub images: u64,
    /// Names of images.
    pub names: u64,
    /// Blobs that lie in the store, each once, and their bytes.
    pub blobs: Count,
    /// Blobs that are kept elsewhere, as layers, and what they would take here.
    pub elsewhere: Count,
    /// Blobs of which a part has come in, to be continued by a later transfer, or on their way now.
    pub coming: Count,
    /// What is about to be removed from the disk.
    pub going: Count,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// How many, and how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How many.
    pub count: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Images and their layers, the lowest first.
#[derive(Debug)]
pub struct Chains {
    /// By the image's id.
    pub readable: Vec<(String, Vec<Digest>)>,
    /// Whether these are all images: the records of the others cannot be read.
    pub is_all: bool,
}

/// All records of images, as they were at one moment.
struct Records {
    rows: Vec<(ImageId, ImageRow)>,
    tags: Vec<(String, ImageId)>,
    names: Vec<String>,
    users: HashSet<String>,
}

impl Images {
    /// Examines everything but the content of layers' blobs, which [`Images::check_content`] does: that reads all of it.
    pub fn check(&self) -> Result<Checked> {
        let mut checked = Checked::default();
        let records = self.db.read(|tx| Records::read(tx, &mut checked.faults))?;
        checked.images = records.rows.len() as u64;
        checked.names = records.tags.len() as u64;
        records.check(&mut checked.faults);
        checked.faults.extend(self.db.read(crate::siblings::faults)?);
        let mut seen = HashSet::new();
        for (id, row) in &records.rows {
            self.check_image(id, row, &mut checked.faults);
            for (digest, size_bytes) in &row.blobs {
                if seen.insert(digest.clone()) {
                    let is_file = self.store.blob_path(digest).exists();
                    let place = if is_file { &mut checked.blobs } else { &mut checked.elsewhere };
                    place.add(*size_bytes);
                }
            }
        }
        for digest in all_blobs(&self.store.blobs())? {
            self.check_owner(&digest, &seen, &mut checked.faults)?;
        }
        checked.coming = count(&self.store.ingest(), "")?;
        checked.going = count(&self.store.trash(), PREFIX)?;
        Ok(checked)
    }

    /// Reads every blob and compares it with its digest. `on_blob` is told of each, and may say that it is enough.
    pub fn check_content(&self, mut on_blob: impl FnMut(u64) -> bool) -> Result<Vec<Fault>> {
        // What cannot be read is told elsewhere.
        let rows = self.db.read(|tx| readable(&IMAGES, tx, |_, _| {}))?;
        let blobs: HashMap<Digest, u64> = rows.into_iter().flat_map(|(_, row)| row.blobs).collect();
        let mut faults = Vec::new();
        for (digest, size_bytes) in blobs {
            if !on_blob(size_bytes) {
                break;
            }
            // What is missing is told elsewhere.
            let Ok(blob) = self.open_blob(&digest) else { continue };
            let object = format!("blob {digest}");
            let remedy = match blob {
                Blob::File(_) => GET_AGAIN,
                Blob::Elsewhere(_) => LAYER,
            };
            match digest_of(blob, digest.algorithm()) {
                Ok(actual) if actual == digest => {}
                Ok(actual) => {
                    let problem = format!("its content has the digest {actual}");
                    faults.push(Fault::damage(object, problem, remedy));
                }
                Err(error) => {
                    faults.push(Fault::damage(object, format!("cannot be read: {error}"), remedy));
                }
            }
        }
        Ok(faults)
    }

    /// The layers of each image whose record can be read.
    pub fn readable_chains(&self) -> Result<Chains> {
        let mut is_all = true;
        let rows = self.db.read(|tx| readable(&IMAGES, tx, |_, _| is_all = false))?;
        let chain = |(id, row): (String, ImageRow)| (id, row.config.rootfs.diff_ids);
        Ok(Chains { readable: rows.into_iter().map(chain).collect(), is_all })
    }

    /// An image's blobs are there, and its manifest names them.
    fn check_image(&self, id: &ImageId, row: &ImageRow, faults: &mut Vec<Fault>) {
        let object = format!("image {id}");
        for (digest, size_bytes) in &row.blobs {
            let problem = match fs::metadata(self.store.blob_path(digest)) {
                Ok(found) if found.len() == *size_bytes => continue,
                Err(_) if self.store.size_elsewhere(digest) == Some(*size_bytes) => continue,
                Ok(found) => {
                    format!("its blob {digest} has {} bytes, not {size_bytes}", found.len())
                }
                Err(error) => format!("its blob {digest} is not there: {error}"),
            };
            faults.push(Fault::damage(object.clone(), problem, GET_AGAIN));
        }
        let path = self.store.blob_path(&row.manifest.digest);
        let Ok(bytes) = fs::read(&path) else {
            faults.push(Fault::damage(object, "its manifest cannot be read", GET_AGAIN));
            return;
        };
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else {
            faults.push(Fault::damage(object, "its manifest is no manifest", GET_AGAIN));
            return;
        };
        let owned: HashSet<&Digest> = row.blobs.iter().map(|(digest, _)| digest).collect();
        let named = manifest.layers.iter().chain([&manifest.config]).map(|blob| &blob.digest);
        for digest in named.chain([&row.manifest.digest]).filter(|digest| !owned.contains(digest)) {
            let problem = format!("its record does not name the blob {digest} of its manifest");
            faults.push(Fault::damage(object.clone(), problem, RECORDS));
        }
        if manifest.layers.len() != row.config.rootfs.diff_ids.len() {
            let problem = "its manifest and its configuration have different numbers of layers";
            faults.push(Fault::damage(object, problem, RECORDS));
        }
    }

    /// Somebody needs a blob that is there.
    fn check_owner(
        &self,
        digest: &Digest,
        seen: &HashSet<Digest>,
        faults: &mut Vec<Fault>,
    ) -> Result<()> {
        if seen.contains(digest) {
            return Ok(());
        }
        let is_wanted = {
            let leases = self.store.leases.freeze();
            leases.count(digest) > 0 || self.db.read(|tx| crate::record::has_users(tx, digest))?
        };
        if !is_wanted && self.store.blob_path(digest).exists() {
            faults.push(Fault::waste(
                format!("blob {digest}"),
                "no image has it, and nobody is about to use it",
                RESTART,
            ));
        }
        Ok(())
    }
}

impl Records {
    /// What can be read of them; the rest is a fault.
    fn read(tx: &ReadTx<'_>, faults: &mut Vec<Fault>) -> Result<Self> {
        let all = usize::MAX;
        let mut rows = Vec::new();
        let mut tell = |object: String, error: &dyn std::error::Error, remedy| {
            let problem = format!("its record cannot be read: {}", error_chain(error));
            faults.push(Fault::damage(object, problem, remedy));
        };
        let images =
            readable(&IMAGES, tx, |key, error| tell(format!("image {key}"), error, GET_AGAIN))?;
        for (key, row) in images {
            match crate::record::parse_id(&key) {
                Ok(id) => rows.push((id, row)),
                Err(error) => tell(format!("image {key}"), &error, GET_AGAIN),
            }
        }
        let tags = readable(&TAGS, tx, |key, error| {
            tell(format!("name {key}"), error, "tag an image with it");
        })?;
        Ok(Self {
            rows,
            tags,
            names: NAMES.keys_with_prefix(tx, "", all)?,
            users: BLOB_USERS.keys_with_prefix(tx, "", all)?.into_iter().collect(),
        })
    }

    /// Every record that repeats another one says the same.
    fn check(&self, faults: &mut Vec<Fault>) {
        let ids: HashSet<&str> = self.rows.iter().map(|(id, _)| id.as_str()).collect();
        let mut users = HashSet::new();
        for (id, row) in &self.rows {
            for (digest, _) in &row.blobs {
                let key = format!("{digest} {id}");
                if !self.users.contains(&key) {
                    let problem =
                        format!("nothing says that it uses the blob {digest}, which may go");
                    faults.push(Fault::damage(format!("image {id}"), problem, RECORDS));
                }
                users.insert(key);
            }
        }
        let is_build = |key: &String| key.ends_with(&format!(" {BUILDS}"));
        for key in self.users.iter().filter(|key| !users.contains(*key) && !is_build(key)) {
            let problem =
                "the record of a blob's user belongs to no image: the blob stays for ever";
            faults.push(Fault::waste(format!("record {key:?}"), problem, RECORDS));
        }
        let names: HashSet<&str> = self.names.iter().map(String::as_str).collect();
        let mut expected = HashSet::new();
        for (name, id) in &self.tags {
            let object = format!("name {name}");
            if !ids.contains(id.as_str()) {
                let problem = format!("leads to {id}, which is not there");
                faults.push(Fault::damage(object.clone(), problem, "tag another image with it"));
            }
            if name.parse::<ImageReference>().is_err() {
                faults.push(Fault::damage(object.clone(), "cannot be read as a name", RECORDS));
            }
            let key = format!("{id} {name}");
            if !names.contains(key.as_str()) {
                faults.push(Fault::damage(
                    object,
                    "its image does not know of it",
                    "tag the image again",
                ));
            }
            expected.insert(key);
        }
        for key in self.names.iter().filter(|key| !expected.contains(*key)) {
            let problem = "an image has a name that does not lead to it";
            faults.push(Fault::damage(format!("record {key:?}"), problem, "tag the image again"));
        }
    }
}

/// The records of a table, without those that cannot be read: `tell` has their keys.
fn readable<V: Serialize + DeserializeOwned>(
    table: &Table<V>,
    tx: &ReadTx<'_>,
    mut tell: impl FnMut(&str, &gantry_db::Error),
) -> Result<Vec<(String, V)>> {
    let mut records = Vec::new();
    for key in table.keys_with_prefix(tx, "", usize::MAX)? {
        match table.get(tx, &key) {
            Ok(value) => records.extend(value.map(|value| (key, value))),
            Err(error) => tell(&key, &error),
        }
    }
    Ok(records)
}

impl Count {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// The files of a folder whose names begin so; what vanishes meanwhile does not count.
fn count(folder: &Path, prefix: &str) -> Result<Count, Error> {
    let mut found = Count::default();
    for path in entries(folder)? {
        let fits = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(prefix.as_bytes()));
        match fs::symlink_metadata(&path) {
            Ok(metadata) if fits && metadata.is_file() => found.add(metadata.len()),
            _ => {}
        }
    }
    Ok(found)
}
