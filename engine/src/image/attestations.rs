//! `attestations`: what builders say of an image, as it came with it.

use std::io::Read;

use gantry_api::image::AttestationStatement;
use gantry_images::Image;
use gantry_oci::image::Descriptor;
use serde_json::{Value, json};

use super::{manifests, resolve};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

/// The annotation by which a layer says what it states.
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

/// The longest statement that is told, in bytes.
const MAX_STATEMENT_BYTES: u64 = 4 << 20;

/// Bytes of all statements that are told at once.
const MAX_TOLD_BYTES: u64 = 16 << 20;

/// Which statements.
#[derive(Debug, Clone, Default)]
pub struct AttestationOptions {
    /// About the image for this platform, `os/architecture[/variant]`; this machine's by default.
    pub platform: Option<String>,
    /// Of these predicate types; of all where there are none.
    pub types: Vec<String>,
    /// Whether to tell the statements themselves.
    pub statements: bool,
}

/// The in-toto statements that came with the image that `text` means.
///
/// # Errors
/// There is no such image, not for that platform, or a statement that is asked for is not here.
pub async fn attestations(
    engine: &Engine,
    text: &str,
    options: AttestationOptions,
) -> Result<Vec<AttestationStatement>> {
    let (engine, text) = (engine.clone(), text.to_owned());
    block(move || {
        let image = resolve::of_platform(&engine, &text, options.platform.as_deref())?;
        let (mut told, mut told_bytes) = (Vec::new(), 0_u64);
        for layer in layers(&engine, &image) {
            let Some(predicate_type) = layer.annotations.get(PREDICATE_TYPE).cloned() else {
                continue;
            };
            if !options.types.is_empty() && !options.types.contains(&predicate_type) {
                continue;
            }
            told_bytes = told_bytes.saturating_add(layer.size);
            if options.statements && told_bytes > MAX_TOLD_BYTES {
                return Err(Error::invalid(format!(
                    "the statements about {text} have more than {MAX_TOLD_BYTES} bytes: ask for one 'type' at a time"
                )));
            }
            let statement =
                if options.statements { Some(statement(&engine, &layer)?) } else { None };
            told.push(AttestationStatement { descriptor: json!(layer), predicate_type, statement });
        }
        Ok(told)
    })
    .await
}

/// The layers of all attestations about the image that are here.
fn layers(engine: &Engine, image: &Image) -> Vec<Descriptor> {
    let index = manifests::index(engine, image);
    let entries = index.into_iter().flat_map(|index| index.manifests);
    let own = entries.filter(|entry| entry.attests() == Some(image.manifest.digest.as_str()));
    let documents = own.filter_map(|entry| manifests::attestation(engine, &entry));
    documents.flat_map(|manifest| manifest.layers).collect()
}

fn statement(engine: &Engine, layer: &Descriptor) -> Result<Value> {
    let digest = layer.digest.to_string();
    if layer.size > MAX_STATEMENT_BYTES {
        return Err(Error::invalid(format!(
            "the statement {digest} has {} bytes, of which {MAX_STATEMENT_BYTES} are the most that is told",
            layer.size
        )));
    }
    let mut bytes = Vec::new();
    let file = engine.images.open_blob(&layer.digest)?;
    file.take(layer.size)
        .read_to_end(&mut bytes)
        .map_err(Error::file("read blob", digest.clone()))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::invalid(format!("the statement {digest} is no JSON: {error}")))
}
