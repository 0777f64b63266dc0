//! `image layers`: what each layer of an image adds, changes and wastes; as a table, as a list of one layer's files, or to
//! walk through on the terminal.

mod browser;
mod tree;

use gantry_api::image::{ImageLayer, ImageLayers, LayerFiles};
use gantry_client::Client;
use serde_json::{Map, Value};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::listing::{Listing, row};
use crate::format::{ellipsis, short_id, size};
use crate::output;
use crate::session::Session;
use tree::Tree;

/// Show what each layer of an image adds, changes and wastes
///
/// Layers are numbered from the lowest. A layer wastes the files that layers above it replace or remove. In lists of files, A
/// is added, C changed, D deleted; a star marks what a layer above hides.
#[derive(Debug, clap::Args)]
pub(crate) struct Layers {
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Walk through layers and files on the terminal
    #[arg(short, long, conflicts_with_all = ["format", "json", "layer"])]
    interactive: bool,
    /// Print the whole answer as one JSON document
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// List the files of this layer
    #[arg(long, value_name = "NUMBER", conflicts_with = "format")]
    layer: Option<usize>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    #[arg(required = true, hide = true)]
    image: String,
}

impl Verb for Layers {
    const USAGE: &'static str = "[OPTIONS] IMAGE";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        if self.interactive {
            browser::check_terminal()?;
        }
        let client = session.connect().await?;
        if let Some(number) = self.layer {
            let files = client.image_layer_files(&self.image, number).await?;
            self.print_files(&files)?;
            return Ok(0);
        }
        let told = client.image_layers(&self.image).await?;
        if self.interactive {
            let source = Source { client, image: self.image };
            return browser::run(source, told).await;
        }
        if self.json {
            output::line(&serde_json::to_string_pretty(&told)?)?;
        } else {
            self.print_table(&told)?;
        }
        Ok(0)
    }
}

/// Where the files of single layers come from.
struct Source {
    client: Client,
    image: String,
}

impl Source {
    async fn files(&self, number: usize) -> Result<LayerFiles, Error> {
        Ok(self.client.image_layer_files(&self.image, number).await?)
    }
}

impl Layers {
    fn print_files(&self, files: &LayerFiles) -> Result<(), Error> {
        if self.json {
            return output::line(&serde_json::to_string_pretty(files)?);
        }
        let tree = Tree::new(&files.files);
        let lines: String = tree.rows().map(|row| row.line() + "\n").collect();
        output::print(&lines)?;
        if files.truncated {
            output::remark("There are more files than one answer holds.");
        }
        Ok(())
    }

    fn print_table(&self, told: &ImageLayers) -> Result<(), Error> {
        let rows = told.layers.iter().enumerate().map(|(index, layer)| self.row(index + 1, layer));
        let listing = Listing {
            columns: &["Layer", "ID", "Size", "Added", "Changed", "Removed", "Wasted", "CreatedBy"],
            headings: &[
                ("Layer", "LAYER"),
                ("ID", "ID"),
                ("Size", "SIZE"),
                ("Added", "ADDED"),
                ("Changed", "CHANGED"),
                ("Removed", "REMOVED"),
                ("RemovedSize", "REMOVED SIZE"),
                ("Wasted", "WASTED"),
                ("WastedFiles", "WASTED FILES"),
                ("CreatedBy", "CREATED BY"),
            ],
            rows: rows.collect(),
        };
        output::print(&listing.render(&self.format)?)?;
        if self.format.is_empty() { output::line(&format!("\n{}", summary(told))) } else { Ok(()) }
    }

    fn row(&self, number: usize, layer: &ImageLayer) -> Map<String, Value> {
        let cut = |text: &str| {
            if self.no_trunc { text.to_owned() } else { ellipsis(text, 45) }
        };
        let id = if self.no_trunc { layer.diff_id.clone() } else { short_id(&layer.diff_id) };
        row([
            ("Layer", number.to_string()),
            ("ID", id),
            ("Size", bytes(size_of(layer))),
            ("Added", layer.added.files.to_string()),
            ("Changed", layer.changed.files.to_string()),
            ("Removed", layer.removed.files.to_string()),
            ("RemovedSize", bytes(layer.removed.bytes)),
            ("Wasted", bytes(layer.wasted.bytes)),
            ("WastedFiles", layer.wasted.files.to_string()),
            ("CreatedBy", cut(&layer.created_by.replace('\t', " "))),
        ])
    }
}

/// The bytes that a layer brings.
fn size_of(layer: &ImageLayer) -> u64 {
    layer.added.bytes.saturating_add(layer.changed.bytes)
}

fn bytes(count: u64) -> String {
    size::decimal(i64::try_from(count).unwrap_or(i64::MAX))
}

/// All layers in one sentence.
fn summary(told: &ImageLayers) -> String {
    let total: u64 = told.layers.iter().map(size_of).fold(0, u64::saturating_add);
    let wasted = told.layers.iter().map(|layer| layer.wasted.bytes).fold(0, u64::saturating_add);
    let thousandths = u128::from(wasted) * 1000 / u128::from(total.max(1));
    let layers = match told.layers.len() {
        1 => "1 layer".to_owned(),
        count => format!("{count} layers"),
    };
    let (total, wasted) = (bytes(total), bytes(wasted));
    format!("{layers}, {total}, {wasted} wasted ({}.{}%)", thousandths / 10, thousandths % 10)
}
