//! `history`: how an image was made, newest step first.

use gantry_api::image::HistoryItem;
use gantry_types::Timestamp;

use super::resolve;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;

/// The steps of the image that `text` means, each with the bytes that it added. `platform` is what it has to be for.
pub async fn history(
    engine: &Engine,
    text: &str,
    platform: Option<&str>,
) -> Result<Vec<HistoryItem>> {
    let (engine, text) = (engine.clone(), text.to_owned());
    let platform = platform.map(str::to_owned);
    block(move || {
        let image = resolve::of_platform(&engine, &text, platform.as_deref())?;
        let chain = image.diff_ids();
        let mut depth = 0;
        let mut items = Vec::new();
        for step in &image.config.history {
            let size = if step.empty_layer || depth >= chain.len() {
                0
            } else {
                depth += 1;
                let info = engine.layers.find(&chain[depth - 1], &chain[..depth - 1])?;
                info.map_or(0, |info| i64::try_from(info.size_bytes).unwrap_or(i64::MAX))
            };
            let created: Option<Timestamp> =
                step.created.as_deref().and_then(|text| text.parse().ok());
            items.push(HistoryItem {
                id: "<missing>".to_owned(),
                created: created.map_or(0, |moment| moment.seconds),
                created_by: step.created_by.clone(),
                tags: Vec::new(),
                size,
                comment: step.comment.clone(),
            });
        }
        items.reverse();
        if let Some(newest) = items.first_mut() {
            newest.id = image.id.to_string();
            newest.tags = image.repo_tags();
        }
        Ok(items)
    })
    .await
}
