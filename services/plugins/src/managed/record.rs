//! What is known of a managed plugin.

use gantry_api::plugin::{Plugin, PluginConfig, PluginSettings};
use gantry_db::Table;
use gantry_oci::image::Descriptor;
use gantry_types::ImageReference;
use serde::{Deserialize, Serialize};

/// The rows, by id.
pub(crate) const PLUGINS: Table<Record> = Table::new("plugins");

/// A plugin as the database keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// 64 hexadecimal digits that nobody chose.
    pub id: String,
    /// What it is called here.
    pub name: ImageReference,
    /// Where it came from, or the name again.
    pub origin: String,
    /// Its manifest, among its own blobs.
    pub manifest: Descriptor,
    pub config: PluginConfig,
    pub settings: PluginSettings,
    pub enabled: bool,
    /// How long it had to begin to listen, in seconds, when it was enabled.
    #[serde(default)]
    pub timeout_s: u64,
}

impl Record {
    /// The name as people write it, with its tag.
    pub fn familiar(&self) -> String {
        self.name.familiar()
    }

    /// As `inspect` shows it.
    pub fn document(&self) -> Plugin {
        Plugin {
            config: self.config.clone(),
            enabled: self.enabled,
            id: self.id.clone(),
            name: self.familiar(),
            plugin_reference: self.origin.clone(),
            settings: self.settings.clone(),
        }
    }
}
