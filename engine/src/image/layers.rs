//! `layers`: what each layer of an image adds, changes and wastes, and which entries it has.

use gantry_api::image::{ImageLayer, ImageLayers, LayerAmount, LayerFile, LayerFiles};
use gantry_images::Image;
use gantry_layers::{Amount, ChangeKind, LayerUse, Listing, Usage};

use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

/// Entries in one answer.
const MAX_LISTED: usize = 250_000;

/// What the layers of the image that `text` means do.
pub async fn layers(engine: &Engine, text: &str) -> Result<ImageLayers> {
    let (image, usage) = usage(engine, text, None).await?;
    Ok(ImageLayers {
        id: image.id.to_string(),
        repo_tags: image.repo_tags(),
        layers: told(&image, &usage.layers),
    })
}

/// The entries of one layer of that image; `number` counts from 1, the lowest.
pub async fn layer_files(engine: &Engine, text: &str, number: usize) -> Result<LayerFiles> {
    let (image, usage) = usage(engine, text, number.checked_sub(1)).await?;
    let count = image.diff_ids().len();
    if number == 0 || number > count {
        return Err(Error::invalid(format!(
            "the image {text} has no layer {number}: they are numbered from 1 to {count}"
        )));
    }
    let files = usage.files.iter().map(file).collect();
    Ok(LayerFiles { files, truncated: usage.truncated })
}

/// Looks through the layers. They stay for so long.
async fn usage(engine: &Engine, text: &str, listed: Option<usize>) -> Result<(Image, Usage)> {
    let (finding, name) = (engine.clone(), text.to_owned());
    let image = block(move || finding.images.resolve(&name)).await?;
    let pin = engine.image_changes.pin(image.diff_ids().to_vec()).await;
    let engine = engine.clone();
    block(move || {
        let listed = listed.map(|layer| Listing { layer, most: MAX_LISTED });
        let usage = engine.layers.usage(image.diff_ids(), listed)?;
        drop(pin);
        Ok((image, usage))
    })
    .await
}

/// Each layer with the step that made it: steps that made none are left out.
fn told(image: &Image, layers: &[LayerUse]) -> Vec<ImageLayer> {
    let steps = image.config.history.iter().filter(|step| !step.empty_layer);
    let mut created_by = steps.map(|step| step.created_by.clone());
    let one = |(diff_id, told): (&gantry_types::Digest, &LayerUse)| ImageLayer {
        diff_id: diff_id.to_string(),
        created_by: created_by.next().unwrap_or_default(),
        added: amount(told.added),
        changed: amount(told.changed),
        removed: amount(told.removed),
        wasted: amount(told.wasted),
    };
    image.diff_ids().iter().zip(layers).map(one).collect()
}

fn amount(told: Amount) -> LayerAmount {
    LayerAmount { files: told.files, bytes: told.size_bytes }
}

fn file(told: &gantry_layers::LayerFile) -> LayerFile {
    let change = match told.change {
        ChangeKind::Added => "A",
        ChangeKind::Modified => "C",
        ChangeKind::Deleted => "D",
    };
    LayerFile {
        path: String::from_utf8_lossy(&told.path).into_owned(),
        change: change.to_owned(),
        mode: told.mode,
        bytes: told.size_bytes,
        hidden: told.hidden,
    }
}
