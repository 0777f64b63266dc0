//! What is known of a volume, and finding volumes.

use std::collections::BTreeMap;

use gantry_db::{Schema, Table};
use gantry_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, VolumeName, Volumes};

/// The driver whose volumes are directories here.
pub const LOCAL: &str = "local";

pub(crate) const VOLUMES: Table<Volume> = Table::new("volumes");
pub(crate) const SCHEMA: Schema = Schema { owner: "volumes", migrations: &[] };

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub name: VolumeName,
    pub created_at: Timestamp,
    /// [`LOCAL`], or the name of a plugin.
    pub driver: String,
    /// The driver's.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Where its plugin says that it is; the local driver knows by itself.
    #[serde(default)]
    pub plugin_path: String,
    /// Its files are on their way; it goes when the daemon starts again.
    #[serde(default)]
    pub(crate) is_in_the_making: bool,
    /// The directory's name until a rename is through.
    #[serde(default)]
    pub(crate) moves_from: Option<VolumeName>,
}

/// The label that says that nobody chose the name; Docker's.
pub const ANONYMOUS: &str = "com.docker.volume.anonymous";

impl Volume {
    /// Whether nobody chose its name.
    pub fn is_anonymous(&self) -> bool {
        self.labels.contains_key(ANONYMOUS)
    }

    /// Whether its files are a directory of ours.
    pub fn is_local(&self) -> bool {
        self.driver == LOCAL
    }
}

impl Volumes {
    /// All volumes in the order of their names.
    pub fn list(&self) -> Vec<Volume> {
        self.state().volumes.values().cloned().collect()
    }

    /// The volume of that name.
    pub fn find(&self, name: &str) -> Result<Volume> {
        let no_such = || Error::NoSuchVolume(name.to_owned());
        let name: VolumeName = name.parse().map_err(|_| no_such())?;
        self.state().volumes.get(&name).cloned().ok_or_else(no_such)
    }

    /// Bytes in a volume's files, each inode counted once.
    pub fn size(&self, volume: &Volume) -> Result<u64> {
        let dir = self.dirs.open_data(&volume.name)?;
        gantry_archive::tree::size(std::os::fd::AsFd::as_fd(&dir)).map_err(|source| Error::Files {
            action: "measure",
            volume: volume.name.clone(),
            source,
        })
    }
}
