//! A folder with the client that has the form of an OCI image layout: its documents and blobs come one by one, when the build needs
//! them, by digest. What was asked for by a digest has it.

use std::io::{self, Read};

use gantry_images::{BlobWriter, Lease};
use gantry_oci::image::Descriptor;
use gantry_types::Digest;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::exchange;
use super::report::Listener;
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// What leads to all the rest.
pub(super) const INDEX: &str = "index.json";
/// The most bytes of a document: what registries take.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// See the head of this file.
#[derive(Clone)]
pub(super) struct ClientFolder {
    /// What the client knows it as: a cache that is read, a layout.
    pub(super) kind: &'static str,
    /// Its number among those.
    pub(super) number: usize,
    pub(super) listener: Listener,
}

impl ClientFolder {
    /// The bytes of a document: `index.json`, or what has a digest.
    pub(super) fn bytes(&self, engine: &Engine, path: &str) -> Result<Vec<u8>> {
        let about = json!({ self.kind: self.number, "path": path });
        let bytes = exchange::want(engine, &self.listener, &about, |content| {
            let mut bytes = Vec::new();
            let read = content.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut bytes);
            read.map_err(Error::file("read", "a folder of the client's"))?;
            Ok(bytes)
        })?;
        let bytes = bytes.ok_or_else(|| Error::invalid(format!("{path} is not there")))?;
        if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(Error::invalid(format!(
                "{path} is longer than the {MAX_DOCUMENT_BYTES} bytes that a document may have"
            )));
        }
        if let Ok(digest) = path.parse::<Digest>() {
            let mut hashing = gantry_archive::Hashing::new(&bytes[..], digest.algorithm());
            io::copy(&mut hashing, &mut io::sink()).map_err(Error::file("read", path))?;
            if hashing.digest() != digest {
                return Err(Error::invalid(format!("{path} has another digest")));
            }
        }
        Ok(bytes)
    }

    /// A document.
    pub(super) fn document<T: DeserializeOwned>(&self, engine: &Engine, path: &str) -> Result<T> {
        serde_json::from_slice(&self.bytes(engine, path)?)
            .map_err(|error| Error::invalid(format!("{path} is not what it should be: {error}")))
    }

    /// Writes a blob into the store.
    pub(super) fn write(
        &self,
        engine: &Engine,
        blob: &Descriptor,
        writer: &mut BlobWriter,
    ) -> Result<()> {
        let about = json!({ self.kind: self.number, "path": blob.digest });
        // More than there should be is a blob of another digest.
        let copy = |content: &mut dyn Read| {
            let copied = io::copy(&mut content.take(blob.size.saturating_add(1)), writer);
            copied.map(drop).map_err(Error::file("write", "a blob of the client's"))
        };
        let brought = exchange::want(engine, &self.listener, &about, copy)?;
        brought.ok_or_else(|| Error::invalid(format!("{} is not there", blob.digest)))
    }

    /// Sees to it that a blob is here, and keeps it.
    pub(super) fn bring(&self, engine: &Engine, blob: &Descriptor) -> Result<Lease> {
        if let Some(lease) = engine.images.lease_blob(&blob.digest)? {
            return Ok(lease);
        }
        let mut writer = engine.images.blob_writer(blob.digest.algorithm())?;
        self.write(engine, blob, &mut writer)?;
        Ok(writer.commit(Some(&blob.digest))?.lease)
    }
}
