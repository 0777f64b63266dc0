//! The records of layers, and the keys that they are found by.

use gantry_db::{Schema, Table};
use gantry_types::Digest;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::Format;

pub(crate) const LAYERS: Table<LayerRow> = Table::new("layers");
pub(crate) const SCHEMA: Schema = Schema { owner: "layers", migrations: &[] };

/// One extracted layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts of a record, none of which follows from others"
)]
pub(crate) struct LayerRow {
    pub(crate) diff_id: Digest,
    /// Its directory.
    pub(crate) number: u64,
    /// What lies in that. Rows from before there was a choice say nothing.
    #[serde(default)]
    pub(crate) format: Format,
    /// Bytes in its files, as Docker counts them.
    pub(crate) size_bytes: u64,
    /// How many things in it depend on the layers below. With any, it serves one chain only.
    pub(crate) fixups: u64,
    /// Whether it says what the root looks like.
    pub(crate) root_given: bool,
    /// Whether it hides all layers below.
    pub(crate) root_opaque: bool,
    /// The boot in which it was extracted: after a crash of the machine, what is not synced may have
    /// holes.
    pub(crate) boot_id: String,
    /// Whether it is on the disk for certain.
    pub(crate) synced: bool,
    /// Whether its archive has to be kept: it was tried, and nothing was to be spared.
    #[serde(default)]
    pub(crate) unfit_for_split: bool,
}

/// The key of a row: the diffID, for layers with fixups also the chain below.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(String);

impl Key {
    /// A layer that fits onto every chain, or lies lowest.
    pub(crate) fn plain(diff_id: &Digest) -> Self {
        Self(diff_id.to_string())
    }

    /// A layer that depends on these parents, lowest first; there is at least one.
    pub(crate) fn above(diff_id: &Digest, parents: &[Digest]) -> Self {
        Self(format!("{diff_id}@{}", chain_id(parents)))
    }

    /// From the database.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The image specification's chain id ("Layer `ChainID`") of layers, lowest first.
fn chain_id(chain: &[Digest]) -> String {
    let mut layers = chain.iter();
    let Some(lowest) = layers.next() else { return String::new() };
    layers.fold(lowest.to_string(), |below, layer| {
        let sum = sha2::Sha256::digest(format!("{below} {layer}"));
        Digest::sha256(sum.into()).to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_ids_follow_the_specification() {
        let layers = [Digest::sha256([1; 32]), Digest::sha256([2; 32]), Digest::sha256([3; 32])];
        assert_eq!(chain_id(&layers[..1]), layers[0].to_string());
        let two = sha2::Sha256::digest(format!("{} {}", layers[0], layers[1]));
        let two = Digest::sha256(two.into());
        assert_eq!(chain_id(&layers[..2]), two.to_string());
        let three = sha2::Sha256::digest(format!("{two} {}", layers[2]));
        assert_eq!(chain_id(&layers), Digest::sha256(three.into()).to_string());
    }
}
