//! Which containers each image has.

use std::collections::BTreeMap;

use gantry_images::Image;
use gantry_types::Digest;

use crate::engine::Engine;

/// The containers of all images, running or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Users(BTreeMap<Digest, Vec<String>>);

impl Users {
    /// Asks every container once.
    pub(crate) fn of(engine: &Engine) -> Self {
        let mut users: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for snapshot in engine.containers.snapshots() {
            let record = &snapshot.record;
            users.entry(record.image.id.clone()).or_default().push(record.id.to_string());
        }
        for ids in users.values_mut() {
            ids.sort_unstable();
        }
        Self(users)
    }

    /// How many containers the image has.
    pub(crate) fn count(&self, image: &Image) -> i64 {
        i64::try_from(self.ids(image).len()).unwrap_or(i64::MAX)
    }

    /// The ids of the image's containers, in order.
    pub(crate) fn ids(&self, image: &Image) -> &[String] {
        self.0.get(image.id.digest()).map_or(&[], Vec::as_slice)
    }
}
